/*
 * JSON as it was sent. JavaScript's numbers hold 53 bits, metadata may hold any number: so metadata is never parsed as a
 * whole, but taken out of the text of an answer, and shown and sent as text. The text is always valid JSON: it comes from
 * the API, or was checked with isJson().
 */

const BLANKS = /[ \t\r\n]/;

function skipBlanks(text: string, at: number): number {
  while (BLANKS.test(text.charAt(at))) at++;
  return at;
}

function skipString(text: string, at: number): number {
  for (at++; text[at] !== '"'; at++) if (text[at] === "\\") at++;
  return at + 1;
}

/** The place behind the value that begins at a place. */
function skipValue(text: string, at: number): number {
  if (text[at] === '"') return skipString(text, at);
  if (text[at] !== "{" && text[at] !== "[") {
    while (at < text.length && !/[,\]}\s]/.test(text.charAt(at))) at++;
    return at;
  }
  let depth = 0;
  do {
    const c = text[at];
    if (c === '"') {
      at = skipString(text, at);
      continue;
    }
    if (c === "{" || c === "[") depth++;
    if (c === "}" || c === "]") depth--;
    at++;
  } while (depth > 0);
  return at;
}

/** The members of an object, in their order: each name with the text of its value. None where the text is no object. */
export function members(text: string): [string, string][] {
  const found: [string, string][] = [];
  let at = skipBlanks(text, 0);
  if (text[at] !== "{") return found;
  for (at = skipBlanks(text, at + 1); text[at] === '"'; at = skipBlanks(text, at)) {
    const name = at;
    at = skipString(text, at);
    const key = JSON.parse(text.slice(name, at)) as string;
    at = skipBlanks(text, skipBlanks(text, at) + 1);
    const value = at;
    at = skipValue(text, at);
    found.push([key, text.slice(value, at)]);
    at = skipBlanks(text, at);
    if (text[at] !== ",") break;
    at++;
  }
  return found;
}

/** The texts of the elements of an array. */
export function elements(text: string): string[] {
  const found: string[] = [];
  let at = skipBlanks(text, 0);
  if (text[at] !== "[") return found;
  at = skipBlanks(text, at + 1);
  while (at < text.length && text[at] !== "]") {
    const value = at;
    at = skipValue(text, at);
    found.push(text.slice(value, at));
    at = skipBlanks(text, at);
    if (text[at] === ",") at = skipBlanks(text, at + 1);
  }
  return found;
}

/** The text of a member, or undefined. */
export function member(text: string, name: string): string | undefined {
  return members(text).find(([key]) => key === name)?.[1];
}

export function fromMembers(rows: [string, string][]): string {
  return `{${rows.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(",")}}`;
}

export function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The same value over several lines. */
export function indented(text: string, indent = ""): string {
  const open = text.charAt(0);
  if (open !== "{" && open !== "[") return text;
  const inner = `${indent}  `;
  const parts =
    open === "{"
      ? members(text).map(([key, value]) => `${JSON.stringify(key)}: ${indented(value, inner)}`)
      : elements(text).map((value) => indented(value, inner));
  if (parts.length === 0) return open === "{" ? "{}" : "[]";
  return `${open}\n${parts.map((part) => inner + part).join(",\n")}\n${indent}${open === "{" ? "}" : "]"}`;
}
