const form = document.getElementById("question");
const answer = document.getElementById("answer");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  answer.textContent = "…";
  const reply = await fetch("/api/questions", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ customer: Number(form.elements.customer.value) }),
  });
  answer.textContent = JSON.stringify(await reply.json(), null, 2);
});
