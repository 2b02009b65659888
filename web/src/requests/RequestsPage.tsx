import { Button, NativeSelect, Text, TextInput } from "@mantine/core";
import { getRouteApi, Link } from "@tanstack/react-router";
import { Fragment, useEffect, useState, type FormEvent } from "react";
import type { LoggedRequest } from "../api/types";
import { Empty, Head, Moment, None, Problem, Status, Waiting } from "../ui/parts";
import { Pages, Rows, type Column } from "../ui/Rows";
import { CLASSES, METHODS, ms, requestId, tone, useNames, useRequests, useSummary, type Search } from "./request";

const route = getRouteApi("/shell/requests");

/* A client may use an id more than once, so it does not name the row. */
interface Row {
  id: string;
  request: LoggedRequest;
}

const columns = (who: ReturnType<typeof useNames>): Column<Row>[] => [
  {
    key: "createdAt",
    title: "Time",
    show: ({ request }) => (
      <Link to="/requests/$id" params={{ id: request.id }}>
        <Moment at={request.createdAt} to="clock" />
      </Link>
    ),
  },
  {
    key: "request",
    title: "Request",
    show: ({ request }) => <What {...request} />,
  },
  { key: "status", title: "Status", show: ({ request }) => <Status status={String(request.status)} tone={tone(request.status)} /> },
  { key: "code", title: "Code", wide: true, show: ({ request }) => request.code ?? <None /> },
  { key: "duration", title: "Took", wide: true, number: true, show: ({ request }) => ms(request.durationMs) },
  { key: "who", title: "Who", wide: true, show: ({ request }) => who(request.actor) },
];

function SearchField({ q, go }: { q: string; go: (q: string) => void }) {
  const [text, setText] = useState(q);
  useEffect(() => setText(q), [q]); // the back button
  const submit = (event: FormEvent) => {
    event.preventDefault();
    go(requestId(text));
  };
  return (
    <form className="search" onSubmit={submit}>
      <TextInput
        label="Request id"
        placeholder="Paste an X-Request-Id, press Enter"
        type="search"
        maxLength={160}
        autoComplete="off"
        spellCheck={false}
        data-search
        value={text}
        onChange={(event) => {
          setText(event.currentTarget.value);
          if (event.currentTarget.value === "" && q !== "") go("");
        }}
      />
    </form>
  );
}

/** Method and path, which is broken before a slash where it must be. */
export function What({ method, path }: LoggedRequest) {
  return (
    <span className="code">
      {method}{" "}
      {path.split(/(?=\/)/).map((part, at) => (
        <Fragment key={at}>
          {at > 0 && <wbr />}
          {part}
        </Fragment>
      ))}
    </span>
  );
}

/** How far back the log goes. */
export function Kept() {
  const { data } = useSummary(1);
  return (
    <Text size="sm" c="dimmed" my="sm">
      Only the last requests that this host has answered are kept, in memory
      {data && (
        <>
          : all since <Moment at={data.since} to="clock" />, and perhaps some from before
        </>
      )}
      . Queries, bodies and external ids are not.
    </Text>
  );
}

const curl = `curl -i ORIGIN/api/v1/customers -H "x-api-key: $KEY"
curl "ORIGIN/api/v1/requests?requestId=$ID" -H "x-api-key: $KEY"`;

export function RequestsPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const page = useRequests(search);
  const who = useNames();
  const go = (change: Search) => void navigate({ search: (before) => ({ ...before, cursor: undefined, ...change }), resetScroll: false });
  const rows = page.data?.data.map((request, at) => ({ id: `${at}`, request })) ?? [];
  const asked = search.q || search.status || search.method || search.cursor;
  return (
    <>
      <Head title="Request log">
        <Button variant="default" onClick={() => void page.refetch()} loading={page.isFetching && !page.isLoading}>
          Look again
        </Button>
      </Head>
      <div className="bar" role="search">
        <SearchField q={search.q ?? ""} go={(q) => go({ q })} />
        <NativeSelect label="Status" value={search.status ?? ""} onChange={(event) => go({ status: event.currentTarget.value })}>
          <option value="">Any</option>
          {search.status && !(search.status in CLASSES) && <option value={search.status}>{search.status}</option>}
          {Object.entries(CLASSES).map(([value, title]) => (
            <option key={value} value={value}>
              {title}
            </option>
          ))}
        </NativeSelect>
        <NativeSelect label="Method" value={search.method ?? ""} onChange={(event) => go({ method: event.currentTarget.value })}>
          <option value="">Any</option>
          {METHODS.map((method) => (
            <option key={method} value={method}>
              {method}
            </option>
          ))}
        </NativeSelect>
      </div>
      <Kept />
      {page.error && <Problem error={page.error} again={() => void page.refetch()} />}
      {page.isLoading && <Waiting lines={8} />}
      {page.data && rows.length === 0 && (
        <Empty title={asked ? "No such request is kept" : "No requests yet"} curl={curl}>
          <Text size="sm">
            Each answer tells the id of its request in the header <code>X-Request-Id</code>, which <code>curl -i</code> shows. What was refused before its key
            was found good is not here.
          </Text>
          {asked && (
            <Button mt="sm" variant="default" onClick={() => void navigate({ search: {} })}>
              Show all requests
            </Button>
          )}
        </Empty>
      )}
      {rows.length > 0 && <Rows caption="Requests" rows={rows} columns={columns(who)} />}
      <Pages cursor={search.cursor} next={page.data?.nextCursor} go={(cursor) => void navigate({ search: (before) => ({ ...before, cursor }) })} />
    </>
  );
}
