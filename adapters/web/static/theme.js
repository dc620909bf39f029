/** Light or dark: the system's wish until the reader chooses, then the reader's. */
const KEY = "cairn.chat.theme";

export function startTheme(button) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const current = () => document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light");
  const show = () => {
    const isDark = current() === "dark";
    button.setAttribute("aria-pressed", String(isDark));
    button.title = isDark ? "Switch to light" : "Switch to dark";
  };
  button.addEventListener("click", () => {
    const theme = current() === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    remember(theme);
    show();
  });
  system.addEventListener("change", show);
  show();
}

function remember(theme) {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    /* storage is off: the choice lasts as long as the page */
  }
}
