// Buttons that copy: `copyText` for any text, and every `.copy` button for the code in whose box it stands.

export async function copyText(text, button) {
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    button.after(area);
    area.select();
    done = document.execCommand("copy");
    area.remove();
  }
  button.textContent = done ? "Copied" : "Not copied";
  setTimeout(() => { button.textContent = "Copy"; }, 1600);
}

document.addEventListener("click", ({ target }) => {
  if (target.matches(".copy")) copyText(target.closest(".code").querySelector("pre").textContent, target);
});
