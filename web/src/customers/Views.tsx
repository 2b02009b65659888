/* Named searches. The API has no place for them, so they are kept in this browser. */
import { Button, Group, Menu, Modal, Stack, Text, TextInput } from "@mantine/core";
import { useLocalStorage } from "@mantine/hooks";
import { useState, type FormEvent } from "react";
import { useSession } from "../session/session";
import { Sign } from "../ui/Sign";
import type { Search } from "./customer";

interface View {
  name: string;
  search: Search;
  columns: string[];
}

const MEMBERS = ["q", "status", "plan", "archived", "sort"] as const;

/** What a view is of the search: not the page of the list. */
const lasting = (search: Search): Search => Object.fromEntries(MEMBERS.filter((name) => search[name]).map((name) => [name, search[name]]));
const set = (columns: string[]) => [...columns].sort().join();
const same = (view: View, search: Search, columns: string[]) =>
  MEMBERS.every((name) => (view.search[name] ?? "") === (search[name] ?? "")) && set(view.columns) === set(columns);

export function Views({ search, columns, show }: { search: Search; columns: string[]; show: (search: Search, columns: string[]) => void }) {
  const { organization } = useSession();
  const [kept, keep] = useLocalStorage<View[]>({ key: `clientele-customer-views-${organization.id}`, defaultValue: [], getInitialValueInEffect: false });
  const [opened, setOpened] = useState(false);
  const [name, setName] = useState("");
  const now = kept.find((view) => same(view, search, columns));
  const close = () => setOpened(false);
  const save = (event: FormEvent) => {
    event.preventDefault();
    const called = name.trim();
    if (!called) return;
    const others = kept.filter((view) => view.name !== called);
    keep([...others, { name: called, search: lasting(search), columns }].sort((a, b) => a.name.localeCompare(b.name)));
    setName("");
    close();
  };
  return (
    <>
      <Menu>
        <Menu.Target>
          <Button variant="default" rightSection={<Sign name="menu" />}>{now ? `View: ${now.name}` : "Views"}</Button>
        </Menu.Target>
        <Menu.Dropdown>
          {kept.map((view) => (
            <Menu.Item key={view.name} aria-current={view === now} onClick={() => show(view.search, view.columns)}>
              {view.name}
              {view === now ? " ✓" : ""}
            </Menu.Item>
          ))}
          {kept.length > 0 && <Menu.Divider />}
          <Menu.Item onClick={() => setOpened(true)}>{kept.length > 0 ? "Save or remove…" : "Save this one…"}</Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Modal opened={opened} onClose={close} title="Views">
        <Stack>
          <Text size="sm">Views are kept in this browser only.</Text>
          <form onSubmit={save}>
            <Group align="end">
              <TextInput
                className="grow"
                label="Name of what is shown now"
                description="The search, the filters, the order and the columns. An old view of this name is replaced."
                data-autofocus
                maxLength={60}
                autoComplete="off"
                value={name}
                onChange={(event) => setName(event.currentTarget.value)}
              />
              <Button type="submit" disabled={!name.trim()}>
                Save
              </Button>
            </Group>
          </form>
          {kept.map((view) => (
            <Group key={view.name} wrap="nowrap">
              <Text className="grow">{view.name}</Text>
              <Button size="compact-sm" variant="default" aria-label={`Remove ${view.name}`} onClick={() => keep(kept.filter((one) => one !== view))}>
                Remove
              </Button>
            </Group>
          ))}
        </Stack>
      </Modal>
    </>
  );
}
