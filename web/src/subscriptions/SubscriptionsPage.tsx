import { NativeSelect, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { api, data } from "../api/client";
import type { Subscription } from "../api/types";
import { CustomerName } from "../customers/CustomerName";
import { STATUSES } from "../customers/customer";
import { Empty, Head, Moment, None, Problem, Status, Waiting } from "../ui/parts";
import { Pages, Rows, type Column } from "../ui/Rows";
import { interval } from "./Plan";

const route = getRouteApi("/shell/subscriptions");

const COLUMNS: Column<Subscription>[] = [
  { key: "customer", title: "Customer", show: (row) => (row.customerId ? <CustomerName id={row.customerId} /> : <None />) },
  { key: "plan", title: "Plan", show: (row) => `${row.plan.name}, ${interval(row.billingInterval)}` },
  { key: "status", title: "Status", show: (row) => <Status status={row.status} /> },
  { key: "started", title: "Since", show: (row) => <Moment at={row.startDate} />, wide: true },
  { key: "next", title: "Next invoice", show: (row) => <Moment at={row.nextBillingDate} />, wide: true },
];

export function SubscriptionsPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const query = { cursor: search.cursor, customerId: search.customerId, status: STATUSES.find((status) => status === search.status), limit: 50 };
  const page = useQuery({
    queryKey: ["subscriptions", query],
    queryFn: ({ signal }) => data(api.GET("/subscriptions", { params: { query }, signal })),
  });
  const rows = page.data?.data ?? [];
  return (
    <>
      <Head title="Subscriptions" />
      <div className="bar">
        <NativeSelect label="Status" value={search.status ?? ""} onChange={(event) => void navigate({ search: { status: event.currentTarget.value } })}>
          <option value="">Any</option>
          {STATUSES.map((status) => (
            <option key={status} value={status}>
              {status.replaceAll("_", " ")}
            </option>
          ))}
        </NativeSelect>
      </div>
      {page.error && <Problem error={page.error} again={() => void page.refetch()} />}
      {page.isLoading && <Waiting lines={8} />}
      {page.data && rows.length === 0 && (
        <Empty
          title="No subscriptions"
          curl={`curl ORIGIN/api/v1/subscriptions -H "x-api-key: $KEY" \\\n  -H "Content-Type: application/json" \\\n  -d '{"customerId":"user_42","planCode":"pro"}'`}
        >
          <Text size="sm">A plan is assigned on the page of a customer.</Text>
        </Empty>
      )}
      {rows.length > 0 && <Rows caption="Subscriptions" rows={rows} columns={COLUMNS} />}
      <Pages cursor={search.cursor} next={page.data?.nextCursor} go={(cursor) => void navigate({ search: (before) => ({ ...before, cursor }) })} />
    </>
  );
}
