/* What is known of the requests with an id; there is more than one where a client used it again. */
import { Anchor, Text } from "@mantine/core";
import { getRouteApi, Link } from "@tanstack/react-router";
import type { LoggedRequest } from "../api/types";
import { Empty, Head, Id, Moment, None, Problem, Status, Waiting } from "../ui/parts";
import { ms, tone, useNames, useRequests } from "./request";
import { Kept, What } from "./RequestsPage";

const route = getRouteApi("/shell/requests/$id");

/* What a path is of, by its ids. */
const PLACES = [
  { id: /cus_\w+/, to: "/customers/$id", title: "The customer" },
  { id: /pln_\w+/, to: "/plans/$id", title: "The plan" },
  { id: /inv_\w+/, to: "/invoices/$id", title: "The invoice" },
  { id: /imp_\w+/, to: "/imports/$id", title: "The import" },
] as const;

function Facts({ request, who }: { request: LoggedRequest; who: string }) {
  const places = PLACES.flatMap(({ id, to, title }) => (request.path.match(id) ?? []).map((found) => ({ to, title, id: found })));
  return (
    <dl className="facts">
      <dt>Arrived</dt>
      <dd>
        <Moment at={request.createdAt} to="second" />
      </dd>
      <dt>Request</dt>
      <dd>
        <What {...request} />
        {places.map(({ to, title, id }) => (
          <Link key={to} to={to} params={{ id }}>
            {title}
          </Link>
        ))}
      </dd>
      <dt>Status</dt>
      <dd>
        <Status status={String(request.status)} tone={tone(request.status)} />
      </dd>
      <dt>Code</dt>
      <dd>{request.code ?? <None />}</dd>
      <dt>Took</dt>
      <dd>{ms(request.durationMs)}</dd>
      <dt>Who</dt>
      <dd>
        <Link to={request.actor.type === "user" ? "/users" : "/api-keys"}>{who}</Link>
      </dd>
      <dt>Version</dt>
      <dd>{request.version}</dd>
    </dl>
  );
}

export function RequestPage() {
  const { id } = route.useParams();
  const page = useRequests({ q: id });
  const found = page.isPlaceholderData ? undefined : page.data?.data;
  const who = useNames();
  return (
    <>
      <Anchor component={Link} to="/requests" size="sm">
        Request log
      </Anchor>
      <Head title="Request" />
      <Id id={id} what="the request id" />
      {page.error && <Problem error={page.error} again={() => void page.refetch()} />}
      {page.isLoading && <Waiting lines={6} />}
      {found?.length === 0 && (
        <Empty title="This request is not kept, or not any more">
          <Text size="sm">The service&apos;s own log has it by the same id, for whoever runs it.</Text>
        </Empty>
      )}
      {found && found.length > 1 && <Text size="sm">A client used this id more than once; the newest request stands first.</Text>}
      {found?.map((request, at) => (
        <section key={at} className="section" aria-label={`${request.method} ${request.path}`}>
          <Facts request={request} who={who(request.actor)} />
        </section>
      ))}
      <Kept />
    </>
  );
}
