// The pages work without this file.

const raw = document.getElementById('raw-token');

for (const button of document.querySelectorAll('[data-copy]')) {
  const source = document.getElementById(button.dataset.copy);
  const status = document.getElementById('copy-status');
  button.hidden = false;
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(source.textContent);
      status.textContent = 'Copied to the clipboard.';
    } catch {
      // Outside of localhost, the clipboard needs HTTPS.
      getSelection().selectAllChildren(source);
      status.textContent = 'Selected. Press Ctrl+C or ⌘C to copy it.';
    }
  });
}

const issued = document.getElementById('issued');
if (issued) {
  issued.focus();
  // So that a reload shows the list, instead of asking whether to send the form again.
  history.replaceState(null, '', issued.dataset.returnTo);
  // So that the back button does not show the token again: some browsers keep pages in memory despite no-store.
  addEventListener('pagehide', () => raw.replaceChildren());
}

for (const time of document.querySelectorAll('time[data-local]')) {
  time.title = time.textContent;
  time.textContent = new Date(time.dateTime).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
}
