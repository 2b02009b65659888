// Builds the dashboard into dist/: index.html, and assets/ with names that change with what is in them.
import { build } from "esbuild";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

// Everything that the first page loads before it shows something, compressed. One who looks at it on a train waits for this.
const FIRST_PAGE_MAX_BYTES = 250_000;
// Of the sources, from which the modules are named in the page.
const FIRST_PAGES = ["src/main.tsx", "src/customers/CustomersPage.tsx"];

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "dist");
const assets = join(out, "assets");

await rm(out, { recursive: true, force: true });
const { metafile } = await build({
  absWorkingDir: here,
  entryPoints: ["src/main.tsx", "src/main.css"],
  outdir: "dist/assets",
  bundle: true,
  splitting: true,
  format: "esm",
  target: "es2022",
  minify: true,
  jsx: "automatic",
  legalComments: "linked",
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  define: { "process.env.NODE_ENV": '"production"' },
  metafile: true,
  logLevel: "warning",
});

const outputs = Object.entries(metafile.outputs);
const outputOf = (source) => {
  const found = outputs.find(([, output]) => output.entryPoint === source);
  if (!found) throw new Error(`no output of ${source}`);
  return found[0];
};

// What a module needs at once; what it loads later is not among it.
const needed = (name, seen = new Set()) => {
  if (seen.has(name)) return seen;
  seen.add(name);
  for (const { path, kind } of metafile.outputs[name].imports) if (kind === "import-statement") needed(path, seen);
  return seen;
};

const script = outputOf("src/main.tsx");
const style = outputOf("src/main.css");
const modules = [...needed(script)].filter((name) => name !== script);
const template = await readFile(join(here, "src/index.html"), "utf8");
const href = (name) => `/dashboard/assets/${basename(name)}`;
const page = template
  .replace("<!-- modules -->", modules.map((name) => `<link rel="modulepreload" href="${href(name)}">`).join("\n    "))
  .replace("STYLE", href(style))
  .replace("SCRIPT", href(script));
await mkdir(assets, { recursive: true });
await writeFile(join(out, "index.html"), page);

const first = new Set([style, ...FIRST_PAGES.flatMap((source) => [...needed(outputOf(source))])]);
let bytes = gzipSync(page).length;
for (const name of first) bytes += gzipSync(await readFile(join(here, name)), { level: 6 }).length;
console.log(`the first page loads ${first.size + 1} files, ${(bytes / 1000).toFixed(0)} KB compressed`);
if (bytes > FIRST_PAGE_MAX_BYTES) throw new Error(`more than ${FIRST_PAGE_MAX_BYTES} bytes to the first page`);
