import { Alert, Anchor, Button, Group, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useState } from "react";
import { ApiError } from "../api/client";
import { InvoicesOf } from "../invoices/Invoices";
import { useMay, useSession } from "../session/session";
import { SubscriptionOf } from "../subscriptions/SubscriptionOf";
import { Head, Moment, Problem, Waiting } from "../ui/parts";
import { archive, refresh, restore, useCustomer, type Shown } from "./customer";
import { Details } from "./Details";
import { Erase } from "./Erase";
import { History } from "./History";
import { Metadata } from "./Metadata";

const route = getRouteApi("/shell/customers/$id");

const MergeWith = lazy(async () => ({ default: (await import("./Merge")).MergeWith }));
const Undo = lazy(async () => ({ default: (await import("./Merge")).Undo }));

function Actions({ shown }: { shown: Shown }) {
  const [erasing, setErasing] = useState(false);
  const [merging, setMerging] = useState(false);
  const { id, archivedAt } = shown.customer;
  const put = useMutation({
    mutationFn: () => (archivedAt ? restore(id) : archive(id, shown.etag)),
    onSuccess: () => refresh(id),
    onError: (error) => notifications.show({ color: "red", title: archivedAt ? "Not restored" : "Not archived", message: error.message }),
  });
  return (
    <Group gap="xs">
      <Button variant="default" onClick={() => put.mutate()} loading={put.isPending}>
        {archivedAt ? "Restore" : "Archive"}
      </Button>
      <Button variant="default" onClick={() => setMerging(true)}>
        Merge
      </Button>
      {merging && (
        <Suspense>
          <MergeWith customer={shown.customer} close={() => setMerging(false)} />
        </Suspense>
      )}
      <Button color="red" variant="outline" onClick={() => setErasing(true)}>
        Erase
      </Button>
      <Erase key={String(erasing)} shown={shown} opened={erasing} close={() => setErasing(false)} />
    </Group>
  );
}

function Gone({ error, id }: { error: ApiError; id: string }) {
  const { livemode, organization } = useSession();
  return (
    <>
      <Head title="No such customer" />
      <Text>
        There is no customer <code>{id}</code> in {organization.name}, {livemode ? "live" : "sandbox"}. It may be in the other environment, or
        was erased.
      </Text>
      <Problem error={error} />
      <Link to="/customers">To the customers</Link>
    </>
  );
}

/** An id of one who was merged leads here, and it can be undone from here. */
function WasMerged({ id, into }: { id: string; into: string }) {
  const may = useMay();
  const { data: shown } = useCustomer(id);
  if (!shown?.merged || shown.customer.id !== into) return null;
  return (
    <Alert color="yellow" mb="md" title={`${id} was merged into this customer`}>
      {may.write && (
        <Suspense>
          <Undo id={id} called={id} />
        </Suspense>
      )}
    </Alert>
  );
}

/* A customer has one address: whoever comes by another id of it is led there. */
function useOneAddress(id: string, shown: Shown | undefined) {
  const navigate = route.useNavigate();
  const own = shown?.customer.id ?? id;
  const merged = shown?.merged ? id : undefined;
  useEffect(() => {
    if (own !== id) void navigate({ params: { id: own }, search: { merged }, replace: true });
  }, [own, id, merged, navigate]);
}

export function CustomerPage() {
  const { id } = route.useParams();
  const { merged } = route.useSearch();
  const may = useMay();
  const { data: shown, error, refetch } = useCustomer(id);
  useOneAddress(id, shown);
  if (!shown && error) return error instanceof ApiError && error.status === 404 ? <Gone error={error} id={id} /> : <Problem error={error} again={() => void refetch()} />;
  if (!shown) return <Waiting lines={10} />;
  const { customer } = shown;
  return (
    <>
      <Anchor component={Link} to="/customers" size="sm">
        Customers
      </Anchor>
      <Head title={customer.fullName ?? customer.email}>{may.write && <Actions shown={shown} />}</Head>
      {error && <Problem error={error} again={() => void refetch()} />}
      {merged && <WasMerged id={merged} into={customer.id} />}
      {customer.archivedAt && (
        <Alert color="yellow" mb="md" title="Archived">
          Since <Moment at={customer.archivedAt} />. Lists leave this customer out until it is restored.
        </Alert>
      )}
      <div className="columns">
        <div>
          <Details shown={shown} editable={may.write} />
          <Metadata shown={shown} editable={may.write} />
        </div>
        <div>
          <SubscriptionOf customer={customer} />
          <InvoicesOf customerId={customer.id} />
          <History id={customer.id} />
        </div>
      </div>
    </>
  );
}
