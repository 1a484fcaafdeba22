#!/usr/bin/env node
// Runs the program, with the same arguments, input and output, and ends as it does.
"use strict";

const { spawn } = require("node:child_process");
const os = require("node:os");

let program;
try {
    program = require("../index.js").program;
} catch (error) {
    console.error(error.message);
    process.exit(125);
}

const child = spawn(program, process.argv.slice(2), { stdio: "inherit" });
for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"]) {
    // Ctrl-C in a terminal goes to both: the program decides.
    process.on(signal, () => signal === "SIGINT" || child.kill(signal));
}
child.on("error", (error) => {
    console.error(`sspcache: can't run ${program}: ${error.message}`);
    process.exit(125);
});
child.on("exit", (status, signal) => process.exit(status ?? 128 + os.constants.signals[signal]));
