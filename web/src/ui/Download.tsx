import { Button, Group, Text } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import { download, type Come, type Page } from "../api/lines";
import { Problem } from "./parts";

const size = (bytes: number) => `${(bytes / 1e6).toLocaleString(undefined, { maximumFractionDigits: 1, minimumFractionDigits: 1 })} MB`;

export const FORMATS = {
  csv: { title: "CSV", type: "text/csv;charset=utf-8" },
  ndjson: { title: "NDJSON", type: "application/x-ndjson" },
} as const;

/** Fetches all pages and saves them as one file. It can be stopped, and stops when one leaves. */
export function Download(given: {
  button: string;
  name: string;
  format: keyof typeof FORMATS;
  page: Page;
  /** What has come so far, in words; otherwise it is told in bytes. */
  said?: (come: Come) => string;
  then?: () => void;
  focus?: boolean;
}) {
  const [come, setCome] = useState<Come | null>(null);
  const [error, setError] = useState<Error | null>(null);
  const stop = useRef<AbortController | null>(null);
  useEffect(() => () => stop.current?.abort(), []);
  const run = async () => {
    const abort = new AbortController();
    stop.current = abort;
    setError(null);
    setCome({ bytes: 0, rows: 0 });
    try {
      await download(`${given.name}.${given.format}`, FORMATS[given.format].type, given.page, abort.signal, setCome);
      given.then?.();
    } catch (failure) {
      if (!abort.signal.aborted) setError(failure as Error);
    }
    setCome(null);
  };
  return (
    <div>
      {error && <Problem error={error} />}
      <Group gap="xs">
        {come === null ? (
          <Button variant={given.focus ? "filled" : "default"} data-autofocus={given.focus} onClick={() => void run()}>
            {given.button}
          </Button>
        ) : (
          <>
            <Text role="status">{given.said ? given.said(come) : `${size(come.bytes)} fetched`}</Text>
            <Button variant="default" onClick={() => stop.current?.abort()}>
              Stop
            </Button>
          </>
        )}
      </Group>
    </div>
  );
}
