/* The few signs that are drawn; each stands in a button that has a name. */
const PATHS = {
  copy: "M6 6h8v8H6zM4 10H2V2h8v2",
  done: "M2 9l4 4 8-10",
  menu: "M4 6l4 4 4-4",
  auto: "M8 2a6 6 0 1 0 0 12zM8 2a6 6 0 0 1 0 12",
  dark: "M13 10A6 6 0 1 1 6 3a5 5 0 0 0 7 7z",
  help: "M8 4C6 2 4 2 2 2.5v10c2-.5 4-.5 6 1.5 2-2 4-2 6-1.5v-10c-2-.5-4-.5-6 1.5v10",
  light: "M8 5a3 3 0 1 0 0 6 3 3 0 1 0 0-6M8 1v1M8 14v1M1 8h1M14 8h1M3 3l1 1M12 12l1 1M3 13l1-1M12 4l1-1",
} as const;

export function Sign({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg width="16" height="16" viewBox="0 0 16 16" fill={name === "auto" ? "currentColor" : "none"} fillOpacity="0.5" stroke="currentColor" strokeWidth="1.5" aria-hidden>
      <path d={PATHS[name]} />
    </svg>
  );
}
