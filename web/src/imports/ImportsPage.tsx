import { Text } from "@mantine/core";
import { getRouteApi, Link } from "@tanstack/react-router";
import type { Import } from "../api/types";
import { useMay } from "../session/session";
import { FORMATS } from "../ui/Download";
import { Empty, Head, Moment, Problem, Status, Waiting } from "../ui/parts";
import { Pages, Rows, type Column } from "../ui/Rows";
import { useImports } from "./import";
import { NewImport } from "./NewImport";

const route = getRouteApi("/shell/imports");

const number = (name: "lines" | "created" | "existing" | "updated" | "failed", title: string, wide = true): Column<Import> => ({
  key: name,
  title,
  number: true,
  wide,
  show: (row) => row[name].toLocaleString(),
});

const COLUMNS: Column<Import>[] = [
  {
    key: "createdAt",
    title: "Made",
    show: (row) => (
      <Link to="/imports/$id" params={{ id: row.id }}>
        <Moment at={row.createdAt} />
      </Link>
    ),
  },
  { key: "status", title: "Status", show: (row) => <Status status={row.status} /> },
  { key: "kind", title: "File", wide: true, show: (row) => `${FORMATS[row.format].title}${row.dryRun ? ", dry run" : ""}` },
  number("lines", "Lines"),
  number("created", "Created"),
  number("existing", "Existing"),
  number("updated", "Updated"),
  number("failed", "Failed", false),
];

const curl = `curl "ORIGIN/api/v1/imports?format=csv&dryRun=true" -H "x-api-key: $KEY" \\
  -H "Content-Type: text/csv" --data-binary @customers.csv`;

export function ImportsPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const may = useMay();
  const page = useImports(search.cursor);
  const rows = page.data?.data ?? [];
  return (
    <>
      <Head title="Imports" />
      {may.write && (
        <section aria-labelledby="new-import">
          <h2 id="new-import">Import customers</h2>
          <NewImport />
        </section>
      )}
      <section className="section" aria-labelledby="imports">
        <h2 id="imports">Imports of the last days</h2>
        {page.error && <Problem error={page.error} again={() => void page.refetch()} />}
        {page.isLoading && <Waiting lines={6} />}
        {page.data && rows.length === 0 && (
          <Empty title="No imports yet" curl={curl}>
            <Text size="sm">A line is a customer. An import is listed for seven days after it has ended.</Text>
          </Empty>
        )}
        {rows.length > 0 && <Rows caption="Imports" rows={rows} columns={COLUMNS} />}
        <Pages cursor={search.cursor} next={page.data?.nextCursor} go={(cursor) => void navigate({ search: { cursor } })} />
      </section>
    </>
  );
}
