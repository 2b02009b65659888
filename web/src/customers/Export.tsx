import { Checkbox, Modal, NativeSelect, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { answer, api } from "../api/client";
import type { Come, Page } from "../api/lines";
import { useSession } from "../session/session";
import { Download, FORMATS } from "../ui/Download";
import { isFiltered, type Search } from "./customer";
import { listed } from "./lines";

type Format = keyof typeof FORMATS;

const exported =
  (format: Format, neutralise: boolean): Page =>
  (cursor, signal) => {
    const query = { format, cursor, ...(format === "csv" && neutralise && { neutralise: "true" as const }) };
    return answer(api.GET("/customers/export", { params: { query }, parseAs: "text", signal }));
  };

const said = (count: string | undefined) => ({ rows }: Come) => `${rows.toLocaleString()}${count ? ` of ${count}` : ""} fetched`;

/** Of all customers or of those that are listed. The API gives pages; together they are the file. */
export function Export({ search, count, close }: { search: Search; count: string | undefined; close: () => void }) {
  const { organization, livemode } = useSession();
  const [format, setFormat] = useState<Format>("csv");
  const [neutralise, setNeutralise] = useState(true);
  const [ofList, setOfList] = useState(isFiltered(search));
  const name = `customers-${ofList ? "filtered-" : ""}${livemode ? "live" : "sandbox"}-${new Date().toISOString().slice(0, 10)}`;
  return (
    <Modal opened onClose={close} title="Export customers">
      <Stack>
        {isFiltered(search) && (
          <NativeSelect label="Which" value={ofList ? "list" : "all"} onChange={(event) => setOfList(event.currentTarget.value === "list")}>
            <option value="list">{count ? `These ${count}, as searched and filtered` : "Those that are listed, as searched and filtered"}</option>
            <option value="all">All</option>
          </NativeSelect>
        )}
        <Text size="sm">
          {ofList
            ? "Those of all pages of the list, in its order, without their addresses. It is read page by page: who is changed meanwhile may be missing, or there twice."
            : `All customers of ${organization.name}, ${livemode ? "live" : "sandbox"}, with those who are archived.`}
        </Text>
        <NativeSelect label="Format" value={format} onChange={(event) => setFormat(event.currentTarget.value as Format)}>
          {Object.entries(FORMATS).map(([value, { title }]) => (
            <option key={value} value={value}>
              {title}
            </option>
          ))}
        </NativeSelect>
        {format === "csv" && (
          <Checkbox
            label="Make it safe for spreadsheets"
            description="Text that begins with =, +, - or @ gets an apostrophe before it, so that nothing is computed. Leave it out to import the file again."
            checked={neutralise}
            onChange={(event) => setNeutralise(event.currentTarget.checked)}
          />
        )}
        {ofList ? (
          <Download key="list" button="Download" name={name} format={format} page={listed(search, { format, neutral: neutralise })} said={said(count)} then={close} focus />
        ) : (
          <Download key="all" button="Download" name={name} format={format} page={exported(format, neutralise)} then={close} focus />
        )}
      </Stack>
    </Modal>
  );
}
