// Only where the web tier asks for an API key: a form cannot send one, so this adds a field for it and sends the photograph itself.
// The key stays in this tab: sessionStorage ends with it, and nothing else sees it.
const form = document.querySelector('form');
const label = Object.assign(document.createElement('label'), { htmlFor: 'key', textContent: 'API key' });
const field = Object.assign(document.createElement('input'), {
  id: 'key',
  type: 'password',
  autocomplete: 'off',
  required: true,
  value: sessionStorage.getItem('imgrec-key') ?? '',
});
const answer = Object.assign(document.createElement('p'), { id: 'answer' });
answer.setAttribute('role', 'status');
form.prepend(label, field, document.createElement('br'), document.createElement('br'));
form.after(answer);
// The example for the shell, as it works here.
const example = document.querySelector('code');
example.textContent = example.textContent.replace('curl', "curl -H 'Authorization: Bearer KEY'");

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  // No name attribute: the key is no part of the form.
  const key = field.value.trim();
  sessionStorage.setItem('imgrec-key', key);
  answer.textContent = '…';
  try {
    const response = await fetch(form.action, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}` },
      body: new FormData(form),
    });
    answer.textContent = await response.text();
  } catch {
    answer.textContent = 'The web tier does not answer.';
  }
});
