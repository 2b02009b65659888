import { Button, NativeSelect, Text } from "@mantine/core";
import { getRouteApi, Link } from "@tanstack/react-router";
import { useState } from "react";
import type { Customer, DuplicateGroup } from "../api/types";
import { useMay } from "../session/session";
import { CustomerLink, Empty, Head, Moment, None, Problem, Waiting } from "../ui/parts";
import { Pages, Rows, type Column } from "../ui/Rows";
import { BY, useDuplicates, type By } from "./duplicate";
import { MergeTwo } from "./Merge";

const route = getRouteApi("/shell/duplicates");

const COLUMNS: Column<Customer>[] = [
  { key: "email", title: "E-mail address", show: (c) => <CustomerLink id={c.id}>{c.email}</CustomerLink> },
  { key: "fullName", title: "Name", show: (c) => c.fullName ?? <None /> },
  { key: "externalId", title: "External id", show: (c) => c.externalId ?? <None />, wide: true },
  { key: "taxDocument", title: "Tax document", show: (c) => c.taxDocument ?? <None />, wide: true },
  { key: "createdAt", title: "Created", show: (c) => <Moment at={c.createdAt} />, wide: true },
];

function Group({ group }: { group: DuplicateGroup }) {
  const may = useMay();
  const [from, setFrom] = useState<Customer | null>(null);
  const oldest = group.customers[0] as Customer;
  const close = () => setFrom(null);
  const columns = may.write
    ? [
        ...COLUMNS,
        {
          key: "merge",
          title: "Action",
          show: (row: Customer) =>
            row.id === oldest.id ? (
              <Text size="sm">The oldest</Text>
            ) : (
              <Button size="compact-sm" variant="default" onClick={() => setFrom(row)}>
                Merge
              </Button>
            ),
        },
      ]
    : COLUMNS;
  return (
    <section className="section" aria-label={group.value}>
      <h2>{group.value}</h2>
      <Rows caption={`Customers with ${group.value}`} rows={group.customers} columns={columns} />
      {group.hasMore && (
        <Text size="sm" mt="xs">
          There may be more of them: <Link to="/customers" search={{ q: group.value }}>search for {group.value}</Link>.
        </Text>
      )}
      {from && <MergeTwo into={oldest} from={from} close={close} then={close} />}
    </section>
  );
}

export function DuplicatesPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const by: By = search.by === "taxDocument" ? "taxDocument" : "email";
  const page = useDuplicates(by, search.cursor);
  const groups = page.data?.data ?? [];
  return (
    <>
      <Head title="Duplicates" />
      <div className="bar">
        <NativeSelect
          label="Customers with the same"
          value={by}
          onChange={(event) => void navigate({ search: { by: event.currentTarget.value === "email" ? undefined : event.currentTarget.value } })}
          data={Object.entries(BY).map(([value, label]) => ({ value, label }))}
        />
      </div>
      {page.error && <Problem error={page.error} again={() => void page.refetch()} />}
      {page.isLoading && <Waiting lines={8} />}
      {page.data && groups.length === 0 && !page.data.hasMore && (
        <Empty
          title={search.cursor ? "There are no more" : "No two customers have the same"}
          curl={`curl "ORIGIN/api/v1/customers/duplicates?by=${by}" -H "x-api-key: $KEY"`}
        >
          <Text size="sm">Upper and lower case make no difference. Customers who are archived are not looked at.</Text>
        </Empty>
      )}
      {groups.map((group) => (
        <Group key={group.value} group={group} />
      ))}
      {page.data?.hasMore && groups.length === 0 && <Text>None among these customers. The next page looks at more.</Text>}
      <Pages cursor={search.cursor} next={page.data?.nextCursor} go={(cursor) => void navigate({ search: (before) => ({ ...before, cursor }) })} />
    </>
  );
}
