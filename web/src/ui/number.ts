/** A whole number as it was typed. What is none is sent as it stands, and the API says what is wrong with it. */
export const numberOf = (text: string) => (/^-?\d+$/.test(text.trim()) ? Number(text) : (text as unknown as number));
