// What the builds of the dashboard and of the documentation have in common: a folder of dist/ with names that change with
// what is in them, and how a page there names it.
import { build } from "esbuild";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

export const here = dirname(fileURLToPath(import.meta.url));

/** Bundles the sources into dist/NAME/assets. */
export async function bundle(name, entryPoints, more = {}) {
  const { metafile } = await build({
    absWorkingDir: here,
    entryPoints,
    outdir: `dist/${name}/assets`,
    bundle: true,
    splitting: true,
    format: "esm",
    target: "es2022",
    minify: true,
    jsx: "automatic",
    legalComments: "linked",
    entryNames: "[name]-[hash]",
    chunkNames: "[name]-[hash]",
    metafile: true,
    logLevel: "warning",
    ...more,
    define: { "process.env.NODE_ENV": '"production"', ...more.define },
  });
  const outputs = Object.entries(metafile.outputs);
  const outputOf = (source) => {
    const found = outputs.find(([, output]) => output.entryPoint === source);
    if (!found) throw new Error(`no output of ${source}`);
    return found[0];
  };
  // What a module needs at once; what it loads later is not among it.
  const add = (file, seen) => {
    if (seen.has(file)) return seen;
    seen.add(file);
    for (const { path, kind } of metafile.outputs[file].imports) if (kind === "import-statement") add(path, seen);
    return seen;
  };
  const needed = (source) => add(outputOf(source), new Set());
  const href = (file) => `/${name}/assets/${basename(file)}`;

  /** The template with the addresses of its style, its script and the modules that this needs. */
  const fill = async (template, style, script) => {
    const modules = [...needed(script)].filter((file) => file !== outputOf(script));
    return (await readFile(join(here, template), "utf8"))
      .replace("<!-- modules -->", modules.map((file) => `<link rel="modulepreload" href="${href(file)}">`).join("\n    "))
      .replace("STYLE", href(outputOf(style)))
      .replace("SCRIPT", href(outputOf(script)));
  };
  /** Bytes on the wire of what these sources need at once. */
  const weigh = async (sources) => {
    const files = new Set(sources.flatMap((source) => [...needed(source)]));
    let bytes = 0;
    for (const file of files) bytes += gzipSync(await readFile(join(here, file)), { level: 6 }).length;
    return { files: files.size, bytes };
  };
  const write = async (file, text) => {
    const path = join(here, "dist", name, file);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  };
  return { fill, href: (source) => href(outputOf(source)), weigh, write };
}
