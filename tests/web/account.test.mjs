// What only shows to a camera, read by a program that reads QR codes.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(new URL("../../web/package.json", import.meta.url));
const { default: read } = require("jsqr");

export async function an_authenticator_scans_its_secret_in_both_themes({ page, signIn, organization, accessible }) {
  await signIn("/dashboard/account");
  await page.getByLabel("Your password").fill(organization.password);
  await page.getByRole("button", { name: "Set it up" }).click();
  const picture = page.getByRole("img", { name: "The secret below, for a camera" });
  await picture.waitFor();
  await accessible();
  const secret = await page.locator("#factor ~ form code").innerText();
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await page.locator(`html[data-mantine-color-scheme=${colorScheme}]`).waitFor();
    const png = (await picture.screenshot()).toString("base64");
    const { pixels, width, height } = await page.evaluate(async (png) => {
      const image = await createImageBitmap(new Blob([Uint8Array.from(atob(png), (c) => c.charCodeAt(0))]));
      const canvas = new OffscreenCanvas(image.width, image.height);
      const context = canvas.getContext("2d");
      context.drawImage(image, 0, 0);
      const { data } = context.getImageData(0, 0, image.width, image.height);
      return { pixels: btoa(Array.from(data, (byte) => String.fromCharCode(byte)).join("")), width: image.width, height: image.height };
    }, png);
    const found = read(Uint8ClampedArray.from(Buffer.from(pixels, "base64")), width, height, { inversionAttempts: "dontInvert" });
    assert.equal(found?.data, `otpauth://totp/Clientele:${encodeURIComponent(organization.people.owner)}?secret=${secret}&issuer=Clientele`);
  }
}
