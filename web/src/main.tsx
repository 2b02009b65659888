import { createTheme, MantineProvider, Modal } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { queries } from "./api/query";
import { router } from "./router";

/*
 * The policy of the page lets in no style but the file's. So what the library would write into the page (the variables of a
 * theme, the lock of the scroll bar) is off, and its variables come from its own file and ui/ui.css.
 */
const theme = createTheme({
  respectReducedMotion: true,
  components: { Modal: Modal.extend({ defaultProps: { lockScroll: false, returnFocus: true, size: "lg", closeButtonProps: { "aria-label": "Close" } } }) },
});

createRoot(document.getElementById("root") as HTMLElement).render(
  <StrictMode>
    <MantineProvider theme={theme} defaultColorScheme="auto" withCssVariables={false} withGlobalClasses={false}>
      <Notifications />
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
);
