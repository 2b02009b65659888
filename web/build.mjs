// Builds dist/: the dashboard and the documentation, each a folder that a front server gives out as it is.
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { bundle, here } from "./bundle.mjs";
import { buildDocs } from "./docs.mjs";

// Everything that the first page loads before it shows something, compressed. One who looks at it on a train waits for this.
const FIRST_PAGE_MAX_BYTES = 250_000;
// Of the sources, from which the modules are named in the page.
const FIRST_PAGE = ["src/main.css", "src/main.tsx", "src/customers/CustomersPage.tsx"];

await rm(join(here, "dist"), { recursive: true, force: true });
const dashboard = await bundle("dashboard", ["src/main.tsx", "src/main.css"]);
const page = await dashboard.fill("src/index.html", "src/main.css", "src/main.tsx");
const first = await dashboard.weigh(FIRST_PAGE);
first.bytes += gzipSync(page).length;
console.log(`the first page loads ${first.files + 1} files, ${(first.bytes / 1000).toFixed(0)} KB compressed`);
if (first.bytes > FIRST_PAGE_MAX_BYTES) throw new Error(`more than ${FIRST_PAGE_MAX_BYTES} bytes to the first page`);
await buildDocs();
await dashboard.write("index.html", page); // last: where it is, all is built
