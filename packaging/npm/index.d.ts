/** The folder of the mocks: `MSNSSPC.dll`, `MSAPSSPC.dll` and `secur32.dll`. */
export const home: string;
/** The path of the program `sspcache`. */
export const program: string;
