/* What happened to a customer, newest first, and what each change changed. */
import { Button, Text, Timeline } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { indented, members } from "../api/text";
import { Moment, Problem, RequestId, Waiting } from "../ui/parts";
import { fetchHistory, type Event } from "./customer";

const ACTORS: Record<string, string> = {
  api_key: "API key",
  user: "",
  page: "Somebody on a page for customers",
  command: "An operator on the command line",
  service: "The service, as it was due",
};

function who({ actor }: Event): string {
  if (!actor) return "";
  const kind: string = actor.type;
  return [ACTORS[kind] ?? kind, actor.name ?? (kind === "user" ? "Somebody who is no user any more" : "")].filter(Boolean).join(" ");
}

const readable = (value: string | undefined) =>
  value === undefined || value === "null" ? "" : value.startsWith('"') ? (JSON.parse(value) as string) : indented(value);

function Difference({ before, after }: { before: string | undefined; after: string | undefined }) {
  const was = new Map(members(before ?? "{}"));
  const is = new Map(members(after ?? "{}"));
  const names = [...new Set([...was.keys(), ...is.keys()])].filter((name) => was.get(name) !== is.get(name));
  if (names.length === 0) return null;
  return (
    <table className="diff">
      <tbody>
        {names.map((name) => {
          const [old, now] = [readable(was.get(name)), readable(is.get(name))];
          return (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td>
                {old && <del>{old}</del>} {old && now && "→ "}
                {now && <ins>{now}</ins>}
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

const title = (type: string) => type.replace(/[._]/g, " ").replace(/^./, (first) => first.toUpperCase());

export function History({ id }: { id: string }) {
  const pages = useInfiniteQuery({
    queryKey: ["history", id],
    queryFn: ({ pageParam }) => fetchHistory(id, pageParam),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: ({ next }) => next,
  });
  const events = pages.data?.pages.flatMap((page) => page.events) ?? [];
  return (
    <section className="section" aria-labelledby="history">
      <h2 id="history">History</h2>
      {pages.error && <Problem error={pages.error} again={() => void pages.refetch()} />}
      {pages.isLoading && <Waiting />}
      {pages.data && events.length === 0 && <Text size="sm">Nothing is known of what happened to this customer.</Text>}
      <Timeline bulletSize={14} lineWidth={2} active={-1}>
        {events.map((event) => (
          <Timeline.Item key={event.id} title={title(event.type)}>
            <Text size="sm" c="dimmed" component="div">
              <Moment at={event.createdAt} /> {who(event) && `· ${who(event)}`}
              {event.requestId && <RequestId id={event.requestId} />}
            </Text>
            {event.erased && <Text size="sm">What it changed was erased.</Text>}
            {event.invoiceId && (
              <Text size="sm">
                <Link to="/invoices/$id" params={{ id: event.invoiceId }}>
                  {event.invoiceId}
                </Link>
              </Text>
            )}
            <Difference before={event.before} after={event.after} />
          </Timeline.Item>
        ))}
      </Timeline>
      {pages.hasNextPage && (
        <Button variant="default" mt="md" onClick={() => void pages.fetchNextPage()} loading={pages.isFetchingNextPage}>
          Show older ones
        </Button>
      )}
    </section>
  );
}
