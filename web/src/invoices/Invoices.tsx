/* Invoices: in lists, and those of one customer. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { api, data } from "../api/client";
import type { Invoice, InvoiceStatus } from "../api/types";
import { CustomerName } from "../customers/CustomerName";
import { Money, Moment, None, Problem, Status, Waiting } from "../ui/parts";
import { Rows, type Column } from "../ui/Rows";

export const STATUSES: InvoiceStatus[] = ["draft", "outstanding", "paid", "void", "uncollectible"];

const number: Column<Invoice> = {
  key: "number",
  title: "Number",
  show: (row) => (
    <Link to="/invoices/$id" params={{ id: row.id }}>
      {row.invoiceNumber}
    </Link>
  ),
};
const status: Column<Invoice> = { key: "status", title: "Status", show: (row) => <Status status={row.status} /> };
const total: Column<Invoice> = { key: "total", title: "Total", number: true, show: (row) => <Money amount={row.total} currency={row.currency} /> };

export const COLUMNS: Column<Invoice>[] = [
  number,
  { key: "customer", title: "Customer", show: (row) => (row.customerId ? <CustomerName id={row.customerId} /> : <None />), wide: true },
  { key: "plan", title: "Plan", show: (row) => row.planName, wide: true },
  status,
  { key: "issued", title: "Issued", show: (row) => <Moment at={row.issueDate} />, wide: true },
  { key: "due", title: "Due", show: (row) => <Moment at={row.dueDate} />, wide: true },
  total,
];

export function useInvoices(query: { customerId?: string; status?: InvoiceStatus; cursor?: string; limit?: number }) {
  return useQuery({
    queryKey: ["invoices", query],
    queryFn: ({ signal }) => data(api.GET("/invoices", { params: { query }, signal })),
  });
}

/** The currency of the environment, as its newest invoice has it. */
export function useCurrency(): string | undefined {
  return useInvoices({ limit: 1 }).data?.data[0]?.currency;
}

export function InvoicesOf({ customerId }: { customerId: string }) {
  const page = useInvoices({ customerId, limit: 5 });
  const rows = page.data?.data ?? [];
  return (
    <section className="section" aria-labelledby="invoices">
      <h2 id="invoices">Invoices</h2>
      {page.error && <Problem error={page.error} again={() => void page.refetch()} />}
      {page.isLoading && <Waiting lines={2} />}
      {page.data && rows.length === 0 && <p>No invoices.</p>}
      {rows.length > 0 && (
        <Rows caption="Invoices of this customer" rows={rows} columns={[number, { key: "issued", title: "Issued", show: (row) => <Moment at={row.issueDate} to="day" /> }, status, total]} />
      )}
      {page.data?.hasMore && (
        <p>
          <Link to="/invoices" search={{ customerId }}>
            All invoices of this customer
          </Link>
        </p>
      )}
    </section>
  );
}
