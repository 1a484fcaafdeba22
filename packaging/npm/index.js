// Finds the program and the mocks: they are in a package of their own for each platform, of which npm installs the one that fits.
"use strict";

const path = require("node:path");

/** The package for this platform. */
function platformPackage() {
    const { platform, arch, report } = process;
    if (platform !== "linux") {
        return `@sspcache/${platform}-${arch}`;
    }
    // Where Node is linked to glibc, its report has the version. Without this it also asks for the names of addresses.
    report.excludeNetwork = true;
    const isGlibc = Boolean(report.getReport().header.glibcVersionRuntime);
    return `@sspcache/linux-${arch}${isGlibc ? "" : "-musl"}`;
}

function folder() {
    const name = platformPackage();
    try {
        return path.dirname(require.resolve(`${name}/package.json`));
    } catch {
        throw new Error(
            `sspcache: the package ${name} is not installed. Either there is none for this platform, or npm was told to ` +
                "leave out optional dependencies: install sspcache without --omit=optional",
        );
    }
}

const home = folder();

module.exports = {
    /** The folder of the mocks: `MSNSSPC.dll`, `MSAPSSPC.dll` and `secur32.dll`. */
    home,
    /** The path of the program. */
    program: path.join(home, process.platform === "win32" ? "sspcache.exe" : "sspcache"),
};
