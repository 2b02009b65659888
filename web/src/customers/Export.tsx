import { Checkbox, Modal, NativeSelect, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { answer, api } from "../api/client";
import type { Page } from "../api/lines";
import { useSession } from "../session/session";
import { Download, FORMATS } from "../ui/Download";

type Format = keyof typeof FORMATS;

const exported =
  (format: Format, neutralise: boolean): Page =>
  (cursor, signal) => {
    const query = { format, cursor, ...(format === "csv" && neutralise && { neutralise: "true" as const }) };
    return answer(api.GET("/customers/export", { params: { query }, parseAs: "text", signal }));
  };

/** The API gives pages; together they are the file. */
export function Export({ opened, close }: { opened: boolean; close: () => void }) {
  const { organization, livemode } = useSession();
  const [format, setFormat] = useState<Format>("csv");
  const [neutralise, setNeutralise] = useState(true);
  const name = `customers-${livemode ? "live" : "sandbox"}-${new Date().toISOString().slice(0, 10)}`;
  return (
    <Modal opened={opened} onClose={close} title="Export customers">
      <Stack>
        <Text size="sm">
          All customers of {organization.name}, {livemode ? "live" : "sandbox"}, with those who are archived. The search and the filters of the list do not
          count.
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
        <Download button="Download" name={name} format={format} page={exported(format, neutralise)} then={close} focus />
      </Stack>
    </Modal>
  );
}
