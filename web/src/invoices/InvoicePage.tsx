import { Anchor, Button, Group, Table } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useState } from "react";
import { api, data } from "../api/client";
import { queries } from "../api/query";
import type { Invoice } from "../api/types";
import { CustomerName } from "../customers/CustomerName";
import { useMay } from "../session/session";
import { Question } from "../ui/Confirm";
import { Head, Id, Money, Moment, Problem, Status, Waiting } from "../ui/parts";

const route = getRouteApi("/shell/invoices/$id");

const WORDS = {
  paid: { button: "Mark paid", title: "Mark as paid?", text: "Say so when the money has come. A subscription that waits for it begins. This cannot be taken back." },
  void: { button: "Void", title: "Void this invoice?", text: "Nobody has to pay it any more. A subscription that waits for its first payment is canceled. This cannot be taken back." },
} as const;

function Settle({ invoice }: { invoice: Invoice }) {
  const [asked, ask] = useState<keyof typeof WORDS | null>(null);
  const settle = async (status: keyof typeof WORDS) => {
    await data(api.PATCH("/invoices/{id}/status", { params: { path: { id: invoice.id } }, body: { status } }));
    await queries.invalidateQueries();
  };
  if (invoice.status !== "outstanding") return null;
  return (
    <Group gap="xs">
      {(["paid", "void"] as const).map((status) => (
        <Button key={status} variant={status === "paid" ? "filled" : "default"} onClick={() => ask(status)}>
          {WORDS[status].button}
        </Button>
      ))}
      {(["paid", "void"] as const).map((status) => (
        <Question key={status} opened={asked === status} close={() => ask(null)} {...WORDS[status]} act={() => settle(status)}>
          {WORDS[status].text}
        </Question>
      ))}
    </Group>
  );
}

export function InvoicePage() {
  const { id } = route.useParams();
  const may = useMay();
  const { data: invoice, error, refetch } = useQuery({
    queryKey: ["invoice", id],
    queryFn: ({ signal }) => data(api.GET("/invoices/{id}", { params: { path: { id } }, signal })),
  });
  if (!invoice) return error ? <Problem error={error} again={() => void refetch()} /> : <Waiting lines={8} />;
  const facts: [string, React.ReactNode][] = [
    ["Status", <Status status={invoice.status} />],
    ["Customer", invoice.customerId ? <CustomerName id={invoice.customerId} /> : "–"],
    ["Plan", invoice.planName],
    ["Issued", <Moment at={invoice.issueDate} />],
    ["Due", <Moment at={invoice.dueDate} />],
    ["Period", <span><Moment at={invoice.periodStart} /> – <Moment at={invoice.periodEnd} /></span>],
    ["Id", <Id id={invoice.id} />],
  ];
  const sums: [string, number][] = (
    [
      ["Subtotal", invoice.subtotal],
      ["Discount", -invoice.discountAmount],
      ["Credit", -invoice.creditApplied],
      ["Tax", invoice.taxAmount],
    ] satisfies [string, number][]
  ).filter(([name, amount]) => name === "Subtotal" || amount !== 0);
  return (
    <>
      <Anchor component={Link} to="/invoices" size="sm">
        Invoices
      </Anchor>
      <Head title={`Invoice ${invoice.invoiceNumber}`}>
        {invoice.hostedInvoiceUrl && (
          <Button component="a" variant="default" href={invoice.hostedInvoiceUrl} target="_blank" rel="noreferrer">
            As the customer sees it
          </Button>
        )}
        {may.write && <Settle invoice={invoice} />}
      </Head>
      {error && <Problem error={error} again={() => void refetch()} />}
      <dl className="facts">
        {facts.map(([name, value]) => [<dt key={name}>{name}</dt>, <dd key={`${name} `}>{value}</dd>])}
      </dl>
      <div className="table section">
        <Table>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Line</Table.Th>
              <Table.Th className="number">Quantity</Table.Th>
              <Table.Th className="number">Amount</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {invoice.lineItems.map((line, at) => (
              <Table.Tr key={at}>
                <Table.Td>{line.description}</Table.Td>
                <Table.Td className="number">{line.quantity}</Table.Td>
                <Table.Td className="number">
                  <Money amount={line.amount} currency={invoice.currency} />
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
          <Table.Tfoot>
            {[...sums, ["Total", invoice.total] as [string, number]].map(([name, amount]) => (
              <Table.Tr key={name}>
                <Table.Th scope="row" colSpan={2}>
                  {name}
                </Table.Th>
                <Table.Td className="number">
                  <Money amount={amount} currency={invoice.currency} />
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tfoot>
        </Table>
      </div>
    </>
  );
}
