// Loads the document, asks for the key first where one is needed, and shows it in Swagger UI.
"use strict";

const SCHEME = "key"; // the security scheme of the document that takes the key as it is

function rememberedKey() {
  // Where Swagger UI itself keeps what was entered under "Authorize" (persistAuthorization).
  try {
    return JSON.parse(localStorage.getItem("authorized"))[SCHEME].value;
  } catch {
    return "";
  }
}

function show(document_, key) {
  document.title = document_.info.title;
  document.getElementById("ask").hidden = true;
  const ui = SwaggerUIBundle({
    spec: document_,
    dom_id: "#swagger-ui",
    deepLinking: true,
    persistAuthorization: true,
    tryItOutEnabled: false,
    displayRequestDuration: true,
    filter: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    validatorUrl: null, // nothing of this node leaves for anybody else's server
    onComplete: () => key && authorize(ui, document_, key),
  });
}

function authorize(ui, document_, key) {
  // Not `preauthorizeApiKey`, which forgets the key at the next reload.
  const schema = document_.components.securitySchemes[SCHEME];
  ui.getSystem().authActions.authorizeWithPersistOption({
    [SCHEME]: { name: SCHEME, schema, value: key },
  });
}

function ask(refusal) {
  const form = document.getElementById("ask");
  document.getElementById("refusal").textContent = refusal;
  form.hidden = false;
  form.onsubmit = (event) => {
    event.preventDefault();
    load(document.getElementById("key").value.trim());
  };
}

async function load(key) {
  const answer = await fetch("openapi", { headers: key ? { Authorization: key } : {} });
  if (answer.ok) {
    show(await answer.json(), key);
  } else {
    const problem = await answer.json();
    ask(key ? problem.error : "");
  }
}

load(rememberedKey());
