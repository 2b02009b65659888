// Builds dist/docs: the reference, and the guides and errors as pages without any script.
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { dirname, join, normalize } from "node:path";
import { Marked } from "marked";
import { bundle, here } from "./bundle.mjs";

const top = join(here, "..");
const HEAD = [
  ["/docs/", "Reference"],
  ["/docs/guides/", "Guides"],
  ["/docs/errors.html", "Errors"],
  ["/dashboard/", "Dashboard"],
];
// In this order; what else is in doc/ comes last, under the last title.
const GUIDES = [
  ["For those who call the API", ["doc/tour.md", "doc/clients.md"]],
  ["For those who run the service", ["README.md", "doc/operations.md", "doc/security.md", "doc/reliability.md", "doc/performance.md", "CHANGELOG.md", "SECURITY.md"]],
  ["How it works", ["doc/architecture.md"]],
];
// Turned off in src/docs/reference.ts, and not even carried along.
const LEFT_OUT = { "@scalar/agent-chat": "./src/docs/nothing.ts" };

export const escaped = (text) => text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);
/** The address of a heading, as the places that show Markdown make it. */
const anchor = (title) => title.toLowerCase().replace(/[^\p{L}\p{N}_\- ]/gu, "").replaceAll(" ", "-");
/** Where the page of a document is. */
const addressOf = (file) => (file === "doc/openapi.json" ? "/docs/" : `/docs/guides/${file.replace(/^doc\//, "").replace(/\.md$/, ".html")}`);

/**
 * A document as HTML: { title, html, anchors, links }. What is HTML in it is shown as text, comments are left out, and a link
 * that leads elsewhere than to https or one of the documents is text.
 */
export function render(file, text, documents) {
  const anchors = new Set();
  const links = [];
  let title = file;
  const renderer = {
    html({ text }) {
      return /^\s*<!--(?:(?!-->)[^])*-->\s*$/.test(text) ? "" : escaped(text);
    },
    heading({ tokens, depth, text }) {
      let id = anchor(text);
      for (let n = 1; anchors.has(id); n++) id = `${anchor(text)}-${n}`;
      anchors.add(id);
      if (depth === 1) title = text;
      return `<h${depth} id="${escaped(id)}">${this.parser.parseInline(tokens)}</h${depth}>\n`;
    },
    link({ href, tokens }) {
      const shown = this.parser.parseInline(tokens);
      if (/^https:\/\//.test(href)) return `<a href="${escaped(href)}">${shown}</a>`;
      const [path, hash = ""] = href.split("#");
      const target = path ? normalize(join(dirname(file), path)) : file;
      if (!documents.includes(target)) {
        if (!/^[a-z]+:/i.test(href) && !existsSync(join(top, target))) throw new Error(`${file} leads to ${href}, which is not there`);
        return shown;
      }
      links.push([target, hash]);
      return `<a href="${escaped(addressOf(target) + (hash && `#${hash}`))}">${shown}</a>`;
    },
    image({ text }) {
      return escaped(text);
    },
    code({ text }) {
      return `<pre tabindex="0"><code>${escaped(text)}</code></pre>\n`;
    },
    table(token) {
      const row = (cells, tag) => `<tr>${cells.map(({ tokens }) => `<${tag}>${this.parser.parseInline(tokens)}</${tag}>`).join("")}</tr>\n`;
      return `<div class="docs-table" tabindex="0"><table><thead>${row(token.header, "th")}</thead><tbody>${token.rows.map((cells) => row(cells, "td")).join("")}</tbody></table></div>\n`;
    },
  };
  const html = new Marked({ renderer }).parse(text);
  return { title, html, anchors, links };
}

/** The rows of src/base/err.def and of the errors.def of resources: ERR(NAME, status, "code", "type", "meaning", "advice"). */
export function errorsOf(text) {
  const string = String.raw`((?:"(?:[^"\\]|\\.)*"\s*)+)`;
  const rows = text.matchAll(new RegExp(String.raw`^ERR\(\w+, (\d+), ${string}, ${string},\s*${string},\s*${string}\)`, "gm"));
  const joined = (strings) => [...strings.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, part]) => JSON.parse(`"${part}"`)).join("");
  const found = [...rows].map(([, status, ...strings]) => [Number(status), ...strings.map(joined)]);
  if (found.length !== text.match(/^ERR\(/gm)?.length) throw new Error("a row of errors was not understood");
  return found.map(([status, code, type, meaning, advice]) => ({ status, code, type, meaning, advice }));
}

async function allErrors() {
  const resources = join(top, "src/resource");
  const files = [join(top, "src/base/err.def"), ...(await readdir(resources)).sort().map((name) => join(resources, name, "errors.def"))];
  return (await Promise.all(files.filter(existsSync).map(async (file) => errorsOf(await readFile(file, "utf8"))))).flat();
}

function errorsPage(errors, version) {
  const inline = (text) => new Marked().parseInline(escaped(text));
  const sections = errors.map(
    ({ status, code, type, meaning, advice }) => `<section id="${code}">
<h2><code>${code}</code></h2>
<p class="docs-pale">HTTP status ${status}, type <code>${type}</code>; <a href="/api-reference/${version}/errors/${code}.md">the page that <code>doc_url</code> leads to</a></p>
<p>${inline(meaning)}</p>
<p>${inline(advice)}</p>
</section>`,
  );
  return `<h1>Errors</h1>
<p>An answer that is no success has a <code>code</code>. This is what each of them means, and what to do.</p>
${sections.join("\n")}`;
}

const head = (current) => `<nav class="docs-head" aria-label="Documentation">
      <a class="docs-brand" href="/docs/">Clientele</a>
      ${HEAD.map(([href, title]) => `<a href="${href}"${href === current ? ' aria-current="page"' : ""}>${title}</a>`).join("\n      ")}
    </nav>`;

async function documentsOf(folder) {
  const found = await readdir(join(top, folder), { withFileTypes: true });
  const below = await Promise.all(found.map((entry) => (entry.isDirectory() ? documentsOf(`${folder}/${entry.name}`) : [`${folder}/${entry.name}`])));
  return below.flat().filter((file) => file.endsWith(".md")).sort();
}

export async function buildDocs() {
  const docs = await bundle("docs", ["src/docs/reference.ts", "src/docs/reference.css", "src/docs/docs.css"], {
    alias: LEFT_OUT,
    chunkNames: "part-[hash]", // the library's own names are longer than a tarball takes
    define: { __VUE_OPTIONS_API__: "true", __VUE_PROD_DEVTOOLS__: "false", __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: "false" },
  });
  const reference = await docs.fill("src/docs/index.html", "src/docs/reference.css", "src/docs/reference.ts");
  await docs.write("index.html", reference.replace("<!-- head -->", head("/docs/")));

  const template = await readFile(join(here, "src/docs/page.html"), "utf8");
  const write = (file, title, current, body) =>
    docs.write(
      file,
      template
        .replace("TITLE", () => escaped(title))
        .replace("STYLE", docs.href("src/docs/docs.css"))
        .replace("<!-- head -->", () => head(current))
        .replace("<!-- body -->", () => body),
    );

  const listed = GUIDES.flatMap(([, files]) => files);
  const guides = [...listed, ...(await documentsOf("doc")).filter((file) => !listed.includes(file))];
  const pages = new Map();
  for (const file of guides) pages.set(file, render(file, await readFile(join(top, file), "utf8"), [...guides, "doc/openapi.json"]));
  for (const [file, { title, html, links }] of pages) {
    for (const [target, hash] of links)
      if (hash && !pages.get(target)?.anchors.has(hash)) throw new Error(`${file} leads to ${target}#${hash}, which is no heading`);
    await write(addressOf(file).replace("/docs/", ""), title, "", html);
  }
  const item = (file) => `<li><a href="${addressOf(file)}">${escaped(pages.get(file).title)}</a></li>`;
  const groups = GUIDES.map(([title, files], at) => [title, at === GUIDES.length - 1 ? guides.slice(guides.indexOf(files[0])) : files]);
  const index = groups.map(([title, files]) => `<h2>${title}</h2>\n<ul>\n${files.map(item).join("\n")}\n</ul>`).join("\n");
  await write("guides/index.html", "Guides", "/docs/guides/", `<h1>Guides</h1>\n${index}`);

  const { info } = JSON.parse(await readFile(join(top, "doc/openapi.json"), "utf8"));
  await write("errors.html", "Errors", "/docs/errors.html", errorsPage(await allErrors(), info.version));
  const { files, bytes } = await docs.weigh(["src/docs/reference.css", "src/docs/reference.ts"]);
  console.log(`the reference begins with ${files} files, ${(bytes / 1000).toFixed(0)} KB compressed; ${guides.length} guides`);
}
