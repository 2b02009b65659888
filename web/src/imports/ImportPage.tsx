import { Alert, Anchor, Button, Group, Progress, Stack, Table, Text } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useEffect } from "react";
import type { Import } from "../api/types";
import { refresh } from "../customers/customer";
import { useMay } from "../session/session";
import { Confirm } from "../ui/Confirm";
import { Download, FORMATS } from "../ui/Download";
import { Head, Id, Moment, None, Problem, Status, Waiting } from "../ui/parts";
import { begin, cancel, CONFLICTS, fileOf, isOpen, resultsOf, send, useFailures, useImport, useSending, type Sending } from "./import";
import { FileField, Names } from "./NewImport";

const route = getRouteApi("/shell/imports/$id");

const percent = (done: number, of: number) => (of > 0 ? Math.floor((100 * done) / of) : 0);

function Bar({ value, label }: { value: number; label: string }) {
  return (
    <div>
      <Text size="sm">{label}</Text>
      <Progress value={value} aria-label={label} />
    </div>
  );
}

/** Lines in a second, of the time since the first. */
function Rate({ made, at }: { made: Import; at: number }) {
  const end = made.endedAt ? Date.parse(made.endedAt) : at;
  const seconds = made.startedAt ? (end - Date.parse(made.startedAt)) / 1000 : 0;
  if (seconds <= 0 || made.read === 0) return <None />;
  return <>{Math.round(made.read / Math.max(seconds, 0.1)).toLocaleString()} lines a second</>;
}

function OnItsWay({ made, sending }: { made: Import; sending: Sending | undefined }) {
  const may = useMay();
  if (sending && !sending.error)
    return <Bar value={percent(sending.sent, sending.file.size)} label={`${percent(sending.sent, sending.file.size)} % of ${sending.file.name} sent. Keep this window open.`} />;
  if (!may.write) return <Text size="sm">Its file has not come whole yet.</Text>;
  const again = (file: File) => void send(made.id, file, made.parts);
  if (sending?.error)
    return (
      <div>
        <Problem error={sending.error} again={() => again(sending.file)} />
        <FileField label="Choose the file again" take={again} />
      </div>
    );
  return (
    <Alert color="yellow" title="Its file has not come whole">
      <Text size="sm" mb="sm">
        Another window may be sending it. If none is, choose the same file again: what has come is not sent twice.
      </Text>
      <FileField label="Choose the file again" take={again} />
    </Alert>
  );
}

const WAITING: Partial<Record<Import["status"], string>> = { queued: "It begins when the imports before it have ended." };

function Failures({ made }: { made: Import }) {
  const found = useFailures(made);
  const rows = found.data?.pages.flatMap((page) => page.rows) ?? [];
  if (made.failed === 0) return null;
  return (
    <section className="section" aria-labelledby="failures">
      <h2 id="failures">{made.failed === 1 ? "One line failed" : `${made.failed.toLocaleString()} lines failed`}</h2>
      {found.error && <Problem error={found.error} again={() => void found.refetch()} />}
      {found.isLoading && <Waiting />}
      {rows.length > 0 && (
        <div className="table" tabIndex={0} role="region" aria-label="Lines that failed">
          <Table verticalSpacing="xs">
            <Table.Thead>
              <Table.Tr>
                <Table.Th scope="col" className="number">
                  Line
                </Table.Th>
                <Table.Th scope="col">Member</Table.Th>
                <Table.Th scope="col">What is wrong</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {rows.map((row) => (
                <Table.Tr key={row.line}>
                  <Table.Td className="number">{row.line.toLocaleString()}</Table.Td>
                  <Table.Td>{row.param ? <code>{row.param}</code> : <None />}</Table.Td>
                  <Table.Td>{row.message}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </div>
      )}
      {found.hasNextPage && (
        <Button variant="default" mt="md" onClick={() => void found.fetchNextPage()} loading={found.isFetchingNextPage}>
          Show more
        </Button>
      )}
    </section>
  );
}

/** After a dry run, the same in earnest. */
function InEarnest({ made, file }: { made: Import; file: File }) {
  const navigate = useNavigate();
  const { format, onConflict, keepCreatedAt } = made;
  const run = useMutation({
    mutationFn: () => begin({ format, onConflict, keepCreatedAt, dryRun: false }, file),
    onSuccess: ({ id }) => navigate({ to: "/imports/$id", params: { id } }),
  });
  return (
    <>
      {run.error && <Problem error={run.error} />}
      <Button onClick={() => run.mutate()} loading={run.isPending}>
        Import {file.name} now
      </Button>
    </>
  );
}

function Counts({ made }: { made: Import }) {
  const counts = { Created: made.created, Existing: made.existing, Updated: made.updated, Failed: made.failed };
  return (
    <dl className="counts">
      {Object.entries(counts).map(([name, count]) => (
        <div key={name}>
          <dt>{made.dryRun && name !== "Failed" && name !== "Existing" ? `Would be ${name.toLowerCase()}` : name}</dt>
          <dd>{count.toLocaleString()}</dd>
        </div>
      ))}
    </dl>
  );
}

export function ImportPage() {
  const { id } = route.useParams();
  const may = useMay();
  const { data: made, error, refetch, dataUpdatedAt } = useImport(id);
  const sending = useSending(id);
  const wrote = made && !made.dryRun ? made.created + made.updated : 0;
  useEffect(() => {
    if (wrote > 0) void refresh();
  }, [wrote]);
  if (!made)
    return error ? (
      <>
        <Head title="No import" />
        <Problem error={error} again={() => void refetch()} />
        <Link to="/imports">To the imports</Link>
      </>
    ) : (
      <Waiting lines={8} />
    );
  const file = fileOf(id);
  const done = percent(made.bytesDone, made.bytes);
  return (
    <>
      <Anchor component={Link} to="/imports" size="sm">
        Imports
      </Anchor>
      <Head title={made.dryRun ? "Dry run of an import" : "Import"}>
        {may.write && isOpen(made) && (
          <Confirm button="Stop the import" title="Stop this import?" danger act={() => cancel(id)}>
            {made.dryRun ? "Nothing was written." : "Customers that it has made stay."}
          </Confirm>
        )}
      </Head>
      {error && <Problem error={error} again={() => void refetch()} />}
      <Stack>
        <Group gap="xs" role="status">
          <Status status={made.status} />
          {WAITING[made.status]}
          {file?.name}
        </Group>
        {made.status === "receiving" && <OnItsWay made={made} sending={sending} />}
        {made.status === "running" && <Bar value={done} label={`${done} % done`} />}
        {made.reason && (
          <Alert color="red" role="alert" title={`${made.status === "failed" ? "It failed" : "It ended"}: ${made.reason}`}>
            {made.status === "failed" && made.read === 0 && (
              <>
                Nothing was imported. Mend the file, and <Link to="/imports">import it again</Link>.
                <Names />
              </>
            )}
          </Alert>
        )}
        <Counts made={made} />
        {made.status === "done" && made.dryRun && (
          <Group>
            <Text size="sm">This was a dry run: nothing was written.</Text>
            {may.write && file && <InEarnest made={made} file={file} />}
          </Group>
        )}
        {made.status === "done" && wrote > 0 && (
          <Text size="sm">
            <Link to="/customers">To the customers</Link>
          </Text>
        )}
      </Stack>
      <Failures made={made} />
      <section className="section" aria-labelledby="about">
        <h2 id="about">About it</h2>
        <dl className="facts">
          <dt>Lines</dt>
          <dd>
            {made.read.toLocaleString()} of {made.lines.toLocaleString()} done
          </dd>
          <dt>Speed</dt>
          <dd>
            <Rate made={made} at={dataUpdatedAt} />
          </dd>
          <dt>File</dt>
          <dd>
            {FORMATS[made.format].title}, {made.bytes.toLocaleString()} bytes
          </dd>
          <dt>If the external id exists</dt>
          <dd>{CONFLICTS[made.onConflict]}</dd>
          <dt>Times of the file</dt>
          <dd>{made.keepCreatedAt ? "Kept" : "Not read"}</dd>
          <dt>Made</dt>
          <dd>
            <Moment at={made.createdAt} />
          </dd>
          <dt>Begun</dt>
          <dd>
            <Moment at={made.startedAt} />
          </dd>
          <dt>Ended</dt>
          <dd>
            <Moment at={made.endedAt} />
          </dd>
          <dt>Id</dt>
          <dd>
            <Id id={made.id} />
          </dd>
        </dl>
      </section>
      {made.read > 0 && (
        <section className="section" aria-labelledby="results">
          <h2 id="results">What has become of each line</h2>
          <Group mt="sm">
            <Download button="Results as CSV" name={`results-${made.id}`} format="csv" page={resultsOf(made.id, "csv")} />
            <Download button="Results as NDJSON" name={`results-${made.id}`} format="ndjson" page={resultsOf(made.id, "ndjson")} />
          </Group>
        </section>
      )}
    </>
  );
}
