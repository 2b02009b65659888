/* The frame around all pages: where the session acts, the ways to the pages, the keys. */
import { ActionIcon, Button, Kbd, Menu, Modal, Text, useMantineColorScheme } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation } from "@tanstack/react-query";
import { Link, Outlet, useNavigate, useRouterState } from "@tanstack/react-router";
import { useEffect, useState, type ReactNode } from "react";
import { whenSession } from "../api/client";
import type { Session } from "../api/types";
import { Sign } from "../ui/Sign";
import { Problem, Waiting } from "../ui/parts";
import { Clock } from "./Clock";
import { goOn, moveTo, placeOf, SessionContext, signOut, useSession, useSessionQuery, watchTabs, whenElsewhere } from "./session";
import { SignInAgain, SignInPage } from "./SignIn";

const PAGES = [
  { to: "/overview", title: "Overview", key: "o" },
  { to: "/customers", title: "Customers", key: "c" },
  { to: "/plans", title: "Plans", key: "p" },
  { to: "/subscriptions", title: "Subscriptions", key: "s" },
  { to: "/invoices", title: "Invoices", key: "i" },
  { to: "/api-keys", title: "API keys", key: "k" },
  { to: "/users", title: "Users", key: "u" },
  { to: "/imports", title: "Imports", key: "m" },
  { to: "/duplicates", title: "Duplicates", key: "d" },
  { to: "/requests", title: "Request log", key: "r" },
] as const;

/* After g, the key of a page must come within this time. */
const CHORD_MS = 1500;

function isTyping(target: EventTarget | null) {
  return target instanceof HTMLElement && (target.matches("input:not([type=checkbox]), textarea, select") || target.isContentEditable);
}

function useKeys(help: () => void) {
  const navigate = useNavigate();
  useEffect(() => {
    let chord = 0;
    const press = (event: KeyboardEvent) => {
      if (event.key === "Escape" && isTyping(event.target) && !document.querySelector("[role=dialog]")) (event.target as HTMLElement).blur();
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || document.querySelector("[role=dialog]")) return;
      const page = event.timeStamp - chord < CHORD_MS && PAGES.find(({ key }) => key === event.key);
      chord = event.key === "g" ? event.timeStamp : 0;
      if (page) void navigate({ to: page.to });
      else if (event.key === "/") document.querySelector<HTMLElement>("[data-search]")?.focus();
      else if (event.key === "n") document.querySelector<HTMLElement>("[data-new]")?.click();
      else if (event.key === "ArrowDown" && event.target === document.body) document.querySelector<HTMLElement>("[data-row] a")?.focus();
      else if (event.key === "?") help();
      else return;
      event.preventDefault();
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, [navigate, help]);
}

function Keys() {
  const rows: [ReactNode, string][] = [
    [<Kbd key="a">/</Kbd>, "Search"],
    [<Kbd key="a">n</Kbd>, "New, on pages where something can be made"],
    ...PAGES.map(({ key, title }): [ReactNode, string] => [
      <span key={key}>
        <Kbd>g</Kbd> <Kbd>{key}</Kbd>
      </span>,
      title,
    ]),
    [
      <span key="a">
        <Kbd>↓</Kbd> <Kbd>↑</Kbd>
      </span>,
      "The next row, the one before",
    ],
    [<Kbd key="a">Enter</Kbd>, "Open the row"],
    [<Kbd key="a">x</Kbd>, "Select the row"],
    [<Kbd key="a">Esc</Kbd>, "Leave a field, close a dialog"],
    [<Kbd key="a">?</Kbd>, "This list"],
  ];
  return (
    <dl className="keys">
      {rows.map(([keys, what]) => [<dt key={what}>{keys}</dt>, <dd key={`${what} `}>{what}</dd>])}
    </dl>
  );
}

function Theme() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const next = { auto: "dark", dark: "light", light: "auto" } as const;
  const names = { auto: "as the system", dark: "dark", light: "light" };
  return (
    <ActionIcon
      variant="subtle"
      size="lg"
      onClick={() => setColorScheme(next[colorScheme])}
      aria-label={`Colours: ${names[colorScheme]}; change to ${names[next[colorScheme]]}`}
      title={`Colours: ${names[colorScheme]}`}
    >
      <Sign name={colorScheme} />
    </ActionIcon>
  );
}

const titleOf = ({ organization, livemode }: Session) => `${organization.name} · ${livemode ? "Live" : "Sandbox"}`;

/** Organization, and live or sandbox. */
function Place() {
  const session = useSession();
  const navigate = useNavigate();
  const move = useMutation({ mutationFn: moveTo, onSuccess: () => navigate({ to: "/customers" }) });
  const title = titleOf(session);
  return (
    <>
      <Menu>
        <Menu.Target>
          <Button variant="default" className="mode" data-live={session.livemode ? "yes" : "no"} rightSection={<Sign name="menu" />} loading={move.isPending} aria-label={`Acting in ${title}; change`}>
            {title}
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {session.organizations.map(({ id, name }) => [
            <Menu.Label key={id}>{name}</Menu.Label>,
            ...[true, false].map((livemode) => (
              <Menu.Item
                key={`${id}${livemode}`}
                aria-current={id === session.organization.id && livemode === session.livemode}
                onClick={() => move.mutate({ organizationId: id, livemode })}
              >
                {livemode ? "Live" : "Sandbox"}
                {id === session.organization.id && livemode === session.livemode ? " ✓" : ""}
              </Menu.Item>
            )),
          ])}
        </Menu.Dropdown>
      </Menu>
      {move.error && <Problem error={move.error} />}
    </>
  );
}

function Account() {
  const { user, role } = useSession();
  const leave = useMutation({
    mutationFn: signOut,
    onError: (error) => notifications.show({ color: "red", title: "Not signed out", message: error.message }),
  });
  const navigate = useNavigate();
  return (
    <Menu>
      <Menu.Target>
        <Button className="account" variant="subtle" color="gray" c="inherit" rightSection={<Sign name="menu" />} aria-label={`Account of ${user.name ?? user.email}`}>
          {user.name ?? user.email}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          {user.email}, {role}
        </Menu.Label>
        <Menu.Item onClick={() => void navigate({ to: "/account" })}>Sessions and second factor</Menu.Item>
        <Menu.Item onClick={() => leave.mutate()}>Sign out</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

function Frame() {
  const [keysOpen, setKeysOpen] = useState(false);
  const [ended, setEnded] = useState(false);
  const session = useSession();
  const navigate = useNavigate();
  const path = useRouterState({ select: (state) => state.location.pathname });
  useKeys(() => setKeysOpen(true));
  /* On a phone the pages are a row, of which a part is seen. */
  useEffect(() => {
    document.querySelector(".side .active")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [path]);
  useEffect(() => {
    whenSession((what) =>
      goOn().then(
        (there) => there || setEnded(true),
        () => what === "ended" && setEnded(true),
      ),
    );
    whenElsewhere((now) => {
      notifications.show({ title: `You are in ${titleOf(now)} now`, message: "What was open elsewhere is closed." });
      void navigate({ to: "/customers" });
    });
    return () => whenElsewhere(() => {});
  }, [navigate]);
  /* There is another one. */
  useEffect(() => setEnded(false), [session.csrfToken]);
  return (
    <div className={session.livemode ? "shell" : "shell sandbox"}>
      <a className="skip" href="#main">
        Skip to the page
      </a>
      <section className="top" aria-label="Where you are">
        <Link className="brand" to="/customers">
          Clientele
        </Link>
        <Place />
        {!session.livemode && <Clock key={placeOf(session)} />}
        <span className="grow" />
        <ActionIcon component="a" href="/docs/" variant="subtle" size="lg" aria-label="Help: the API and guides" title="Help: the API and guides">
          <Sign name="help" />
        </ActionIcon>
        <ActionIcon className="for-keyboards" variant="subtle" size="lg" aria-label="Keys" title="Keys (?)" onClick={() => setKeysOpen(true)}>
          ?
        </ActionIcon>
        <Theme />
        <Account />
      </section>
      <nav className="side" aria-label="Pages of the dashboard">
        <ul>
          {PAGES.map(({ to, title }) => (
            <li key={to}>
              <Link to={to} className={path.startsWith(to) ? "active" : undefined} aria-current={path.startsWith(to) ? "page" : undefined}>
                {title}
              </Link>
            </li>
          ))}
        </ul>
      </nav>
      <main className="main" id="main" tabIndex={-1}>
        <Outlet key={placeOf(session)} />
      </main>
      <Modal opened={keysOpen} onClose={() => setKeysOpen(false)} title="Keys">
        <Keys />
      </Modal>
      <Modal opened={ended} onClose={() => {}} withCloseButton={false} closeOnEscape={false} closeOnClickOutside={false} title="Your session has ended">
        <Text size="sm" mb="md">
          Sign in again and go on: what you have typed is still here.
        </Text>
        <SignInAgain before={session} />
      </Modal>
    </div>
  );
}

/** Pages are for those who signed in; the address stays, so that one gets where one wanted to. */
export function Shell() {
  const session = useSessionQuery();
  useEffect(watchTabs, []);
  if (session.error && session.data === undefined)
    return (
      <main className="center">
        <Problem error={session.error} again={() => void session.refetch()} />
      </main>
    );
  if (session.data === undefined)
    return (
      <main className="center">
        <Waiting />
      </main>
    );
  if (session.data === null) return <SignInPage />;
  return (
    <SessionContext value={session.data}>
      <Frame />
    </SessionContext>
  );
}
