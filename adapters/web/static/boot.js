/* Runs before the first paint: the remembered theme and the compact mode of the widget. */
(function boot() {
  const root = document.documentElement;
  if (location.pathname.replace(/\/$/, "").endsWith("/embed")) root.classList.add("compact");
  try {
    const theme = localStorage.getItem("cairn.chat.theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  } catch {
    /* storage is off in this frame: follow the system */
  }
})();
