// Before the first paint, so that a chosen theme does not flash.
{
  let theme = null;
  try {
    theme = localStorage.getItem("theme");
  } catch {
    // Storage is off: the system's theme counts.
  }
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
}
