async function send(data) {
  const answer = await fetch("/form-cases/api", { method: "POST", body: new URLSearchParams(data) });
  document.getElementById("told").textContent = `Sent ${JSON.stringify(await answer.json())}`;
}
