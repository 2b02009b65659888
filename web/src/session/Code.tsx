/* The code of a second factor: a field for it comes once the service wants one, and stays. */
import { TextInput } from "@mantine/core";
import { useState } from "react";
import { wantsCode } from "./session";

/** As authenticators show it and people copy it, without the blanks. */
export const codeOf = (text: string) => text.replace(/\s/g, "");

/** null: none is wanted. */
export function useCode() {
  const [code, set] = useState<string | null>(null);
  const askedFor = (failure: Error) => {
    if (wantsCode(failure)) set((before) => before ?? "");
  };
  return { code, set, askedFor };
}

export function CodeField({ code, set }: { code: string | null; set: (code: string) => void }) {
  if (code === null) return null;
  return (
    <TextInput
      label="Code"
      description="Of your authenticator, or one of your recovery codes."
      autoComplete="one-time-code"
      required
      autoFocus
      value={code}
      onChange={(event) => set(codeOf(event.currentTarget.value))}
    />
  );
}
