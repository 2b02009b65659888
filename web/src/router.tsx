/* The addresses. All that a page shows follows from its address, so each can be kept and sent to somebody. */
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Link, redirect } from "@tanstack/react-router";
import { Shell } from "./session/Shell";
import { Head, Problem } from "./ui/parts";

/* Plain text: an id of digits alone is no number. */
type Search = Record<string, string>;
const parseSearch = (text: string): Search => Object.fromEntries(new URLSearchParams(text));
const stringifySearch = (search: Record<string, unknown>): string => {
  const given = Object.entries(search).filter(([, value]) => value !== undefined && value !== "");
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return text && `?${text}`;
};

/** Of the search, the names that a page knows. */
const only =
  <N extends string>(...names: N[]) =>
  (search: Record<string, unknown>) =>
    Object.fromEntries(names.filter((name) => search[name]).map((name) => [name, String(search[name])])) as { [K in N]?: string };

function Missing() {
  return (
    <>
      <Head title="There is nothing here" />
      <p>
        The address leads nowhere. <Link to="/customers">To the customers</Link>
      </p>
    </>
  );
}

const root = createRootRoute();
const shell = createRoute({ getParentRoute: () => root, id: "shell", component: Shell });
const page = () => shell;

const start = createRoute({
  getParentRoute: page,
  path: "/",
  beforeLoad: () => {
    throw redirect({ to: "/customers", replace: true });
  },
});
const customers = createRoute({
  getParentRoute: page,
  path: "/customers",
  validateSearch: only("q", "status", "plan", "archived", "sort", "cursor", "new", "export"),
  component: lazyRouteComponent(() => import("./customers/CustomersPage"), "CustomersPage"),
});
const customer = createRoute({
  getParentRoute: page,
  path: "/customers/$id",
  validateSearch: only("merged"),
  component: lazyRouteComponent(() => import("./customers/CustomerPage"), "CustomerPage"),
});
const plans = createRoute({
  getParentRoute: page,
  path: "/plans",
  validateSearch: only("cursor", "new"),
  component: lazyRouteComponent(() => import("./plans/PlansPage"), "PlansPage"),
});
const plan = createRoute({
  getParentRoute: page,
  path: "/plans/$id",
  component: lazyRouteComponent(() => import("./plans/PlanPage"), "PlanPage"),
});
const groups = createRoute({
  getParentRoute: page,
  path: "/plans/groups",
  validateSearch: only("cursor", "new"),
  component: lazyRouteComponent(() => import("./plans/GroupsPage"), "GroupsPage"),
});
const group = createRoute({
  getParentRoute: page,
  path: "/plans/groups/$id",
  component: lazyRouteComponent(() => import("./plans/GroupPage"), "GroupPage"),
});
const subscriptions = createRoute({
  getParentRoute: page,
  path: "/subscriptions",
  validateSearch: only("status", "customerId", "cursor"),
  component: lazyRouteComponent(() => import("./subscriptions/SubscriptionsPage"), "SubscriptionsPage"),
});
const invoices = createRoute({
  getParentRoute: page,
  path: "/invoices",
  validateSearch: only("status", "customerId", "cursor"),
  component: lazyRouteComponent(() => import("./invoices/InvoicesPage"), "InvoicesPage"),
});
const invoice = createRoute({
  getParentRoute: page,
  path: "/invoices/$id",
  component: lazyRouteComponent(() => import("./invoices/InvoicePage"), "InvoicePage"),
});
const keys = createRoute({
  getParentRoute: page,
  path: "/api-keys",
  validateSearch: only("cursor", "new"),
  component: lazyRouteComponent(() => import("./keys/KeysPage"), "KeysPage"),
});
const users = createRoute({
  getParentRoute: page,
  path: "/users",
  validateSearch: only("new"),
  component: lazyRouteComponent(() => import("./users/UsersPage"), "UsersPage"),
});
const account = createRoute({
  getParentRoute: page,
  path: "/account",
  component: lazyRouteComponent(() => import("./users/AccountPage"), "AccountPage"),
});
const overview = createRoute({
  getParentRoute: page,
  path: "/overview",
  component: lazyRouteComponent(() => import("./overview/OverviewPage"), "OverviewPage"),
});
const imports = createRoute({
  getParentRoute: page,
  path: "/imports",
  validateSearch: only("cursor"),
  component: lazyRouteComponent(() => import("./imports/ImportsPage"), "ImportsPage"),
});
const oneImport = createRoute({
  getParentRoute: page,
  path: "/imports/$id",
  component: lazyRouteComponent(() => import("./imports/ImportPage"), "ImportPage"),
});
const duplicates = createRoute({
  getParentRoute: page,
  path: "/duplicates",
  validateSearch: only("by", "cursor"),
  component: lazyRouteComponent(() => import("./customers/DuplicatesPage"), "DuplicatesPage"),
});
const requests = createRoute({
  getParentRoute: page,
  path: "/requests",
  validateSearch: only("q", "status", "method", "cursor"),
  component: lazyRouteComponent(() => import("./requests/RequestsPage"), "RequestsPage"),
});
const request = createRoute({
  getParentRoute: page,
  path: "/requests/$id",
  component: lazyRouteComponent(() => import("./requests/RequestPage"), "RequestPage"),
});
const accept = createRoute({
  getParentRoute: () => root,
  path: "/accept",
  component: lazyRouteComponent(() => import("./session/AcceptPage"), "AcceptPage"),
});

export const router = createRouter({
  routeTree: root.addChildren([
    shell.addChildren([start, customers, customer, plans, plan, groups, group, subscriptions, invoices, invoice, keys, users, account, overview, imports, oneImport, duplicates, requests, request]),
    accept,
  ]),
  basepath: "/dashboard",
  parseSearch,
  stringifySearch,
  defaultPreload: "intent",
  scrollRestoration: true,
  defaultNotFoundComponent: Missing,
  defaultErrorComponent: ({ error, reset }) => <Problem error={error} again={reset} />,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
