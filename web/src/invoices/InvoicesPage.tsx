import { Anchor, NativeSelect, Text } from "@mantine/core";
import { getRouteApi } from "@tanstack/react-router";
import { Empty, Head, Problem, Waiting } from "../ui/parts";
import { Pages, Rows } from "../ui/Rows";
import { CustomerName } from "../customers/CustomerName";
import { COLUMNS, STATUSES, useInvoices } from "./Invoices";

const route = getRouteApi("/shell/invoices");

export function InvoicesPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const page = useInvoices({
    customerId: search.customerId,
    cursor: search.cursor,
    status: STATUSES.find((status) => status === search.status),
    limit: 50,
  });
  const rows = page.data?.data ?? [];
  return (
    <>
      <Head title="Invoices" />
      <div className="bar">
        <NativeSelect
          label="Status"
          value={search.status ?? ""}
          onChange={(event) => void navigate({ search: { customerId: search.customerId, status: event.currentTarget.value } })}
        >
          <option value="">Any</option>
          {STATUSES.map((status) => (
            <option key={status}>{status}</option>
          ))}
        </NativeSelect>
        {search.customerId && (
          <Text>
            Of <CustomerName id={search.customerId} />{" "}
            <Anchor component="button" onClick={() => void navigate({ search: {} })}>
              Show all
            </Anchor>
          </Text>
        )}
      </div>
      {page.error && <Problem error={page.error} again={() => void page.refetch()} />}
      {page.isLoading && <Waiting lines={8} />}
      {page.data && rows.length === 0 && (
        <Empty title="No invoices" curl={'curl ORIGIN/api/v1/invoices -H "x-api-key: $KEY"'}>
          <Text size="sm">An invoice is issued when a subscription to a plan with a price begins, and for each period after that.</Text>
        </Empty>
      )}
      {rows.length > 0 && <Rows caption="Invoices" rows={rows} columns={COLUMNS} />}
      <Pages cursor={search.cursor} next={page.data?.nextCursor} go={(cursor) => void navigate({ search: (before) => ({ ...before, cursor }) })} />
    </>
  );
}
