// Builds the pages and modules: TypeScript to ES modules, html, css and svg copied as they are. No bundler.
//
//   node build.mjs                  into clients/python/streamer_client/pages, which is committed
//   node build.mjs --out FOLDER     elsewhere, the same files
//   node build.mjs --dist           into dist/, with types, for `npm pack`
//
// It must never leave a file of an earlier build behind: what is not in src/ is not in a page.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
const SRC = join(HERE, "src");
const PAGES = resolve(HERE, "../python/streamer_client/pages");
const COPIED = /\.(html|css|svg)$/;
const IN_PACKAGE = ["tap", "events"]; // what npm users import; the pages are not for them

const args = process.argv.slice(2);
const isDist = args.includes("--dist");
const out = isDist ? join(HERE, "dist") : args.includes("--out") ? resolve(args[args.indexOf("--out") + 1]) : PAGES;

const tsc = join(HERE, "node_modules/typescript/bin/tsc");
if (!existsSync(tsc)) {
  console.error("build: TypeScript is not there; run: npm ci");
  process.exit(1);
}

const parts = readdirSync(SRC, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && (!isDist || IN_PACKAGE.includes(entry.name)))
  .map((entry) => entry.name);
for (const part of parts) rmSync(join(out, part), { recursive: true, force: true });
if (isDist) rmSync(out, { recursive: true, force: true });

for (const project of ["tsconfig.json", "tsconfig.worklet.json"]) {
  const options = ["-p", join(HERE, project), "--outDir", out, ...(isDist ? ["--declaration"] : [])];
  const { status } = spawnSync(process.execPath, [tsc, ...options], { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
if (isDist) {
  for (const entry of readdirSync(out)) {
    if (!IN_PACKAGE.includes(entry)) rmSync(join(out, entry), { recursive: true });
  }
}
for (const part of parts) {
  for (const file of readdirSync(join(SRC, part), { recursive: true })) {
    if (!COPIED.test(file)) continue;
    const to = join(out, part, file);
    mkdirSync(dirname(to), { recursive: true });
    cpSync(join(SRC, part, file), to);
  }
}
console.log(`built ${parts.join(", ")} into ${relative(process.cwd(), out) || "."}`);
