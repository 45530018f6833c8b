// The pages work without this file.

for (const time of document.querySelectorAll('time[data-local]')) {
  time.title = time.textContent;
  time.textContent = new Date(time.dateTime).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
}
