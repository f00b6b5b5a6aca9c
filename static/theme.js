// Light or dark: the system's choice until the person picks, which only this browser remembers. Runs before the first paint.
{
  const KEY = "theme";
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";

  const apply = (theme) => {
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  };

  try { apply(localStorage.getItem(KEY)); } catch { /* storage is forbidden: the system's choice */ }

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.querySelector("[data-theme-switch]");
    const show = () => button.setAttribute("aria-pressed", String(isDark()));
    button.hidden = false;
    button.addEventListener("click", () => {
      apply(isDark() ? "light" : "dark");
      try { localStorage.setItem(KEY, root.dataset.theme); } catch { /* then it holds for this page only */ }
      show();
    });
    system.addEventListener("change", show);
    show();
  });
}
