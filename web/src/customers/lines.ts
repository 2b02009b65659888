/*
 * The customers of a list as lines of a file. The API's own file is of all customers; so the list's pages are written here,
 * by the same rules (src/call/csv.c) and with the same names, as far as a list tells them: addresses it does not.
 */
import { answer, api } from "../api/client";
import type { Page } from "../api/lines";
import { elements, fromMembers, member, members } from "../api/text";
import { queryOf, type Search } from "./customer";

const COLUMNS = ["id", "externalId", "email", "fullName", "taxDocument", "timezone", "metadata", "createdAt", "updatedAt", "archivedAt"];

export interface Style {
  format: "csv" | "ndjson";
  /** Text that a spreadsheet would compute gets an apostrophe before it. */
  neutral: boolean;
}

/** Null is an empty cell, an empty text one with quotes. */
function cell(json: string, neutral: boolean): string {
  if (json === "null") return "";
  const text = json.startsWith('"') ? (JSON.parse(json) as string) : json;
  const computed = neutral && /^[=+\-@\t\r]/.test(text);
  if (!computed && text !== "" && !/^ | $|[,"\u0000-\u001f\u007f]/.test(text)) return text;
  return `"${computed ? "'" : ""}${text.replaceAll('"', '""')}"`;
}

function line(customer: string, { format, neutral }: Style): string {
  const given = new Map(members(customer));
  const values = COLUMNS.map((name): [string, string] => [name, given.get(name) ?? "null"]);
  if (format === "csv") return `${values.map(([, json]) => cell(json, neutral)).join(",")}\r\n`;
  // A line break can only stand between two values of metadata, where a blank does as well.
  return `${fromMembers(values).replace(/[\r\n]+/g, " ")}\n`;
}

export const listed =
  (search: Search, style: Style): Page =>
  async (cursor, signal) => {
    const query = { ...queryOf({ ...search, cursor }), limit: 100 };
    const { data, text } = await answer(api.GET("/customers", { params: { query }, signal }));
    const rows = elements(member(text, "data") ?? "[]");
    const head = cursor === undefined && style.format === "csv" ? `${COLUMNS.join(",")}\r\n` : "";
    return { text: head + rows.map((row) => line(row, style)).join(""), next: data.nextCursor ?? null, rows: rows.length };
  };
