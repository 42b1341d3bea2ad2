(() => {
  const text = document.querySelector("#text"), buttons = [...document.querySelectorAll(".filter button")];
  const rows = [...document.querySelectorAll("[data-tags]")], families = [...document.querySelectorAll(".family")];
  const opened = new Map(families.map((f) => [f, f.open]));
  let grade = "";
  const apply = () => {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) {
      const fits = (!grade || row.dataset.tags.split(" ").includes(grade)) && words.every((w) => row.dataset.text.includes(w));
      row.hidden = !fits;
    }
    for (const family of families) {
      family.hidden = !family.querySelector(".subject:not([hidden])");
      family.open = grade || words.length ? !family.hidden : opened.get(family);
    }
    document.querySelector("#none").hidden = rows.some((row) => row.matches(".subject") && !row.hidden);
  };
  text.addEventListener("input", apply);
  for (const button of buttons) {
    button.addEventListener("click", () => {
      grade = button.dataset.grade;
      buttons.forEach((b) => b.setAttribute("aria-pressed", String(b === button)));
      apply();
    });
  }
  addEventListener("beforeprint", () => document.querySelectorAll("details:not(.right)").forEach((d) => (d.open = true)));
})();
