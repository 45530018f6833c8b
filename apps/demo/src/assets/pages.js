// The pages work without this file. It adds what only a script can do.

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
      // Not every page may write to the clipboard: outside of localhost it takes HTTPS.
      getSelection().selectAllChildren(source);
      status.textContent = 'Selected. Press Ctrl+C or ⌘C to copy it.';
    }
  });
}

const issued = document.getElementById('issued');
if (issued) {
  issued.focus();
  // Reloading goes to the list, instead of asking whether to send the form again.
  history.replaceState(null, '', issued.dataset.returnTo);
  // Going back must not show the token again, in browsers that keep even pages that no cache may keep.
  addEventListener('pagehide', () => raw.replaceChildren());
}

for (const time of document.querySelectorAll('time')) {
  time.title = time.textContent;
  time.textContent = new Date(time.dateTime).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
}
