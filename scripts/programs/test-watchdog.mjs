// Loaded into the process of every test file: one that does not end by itself fails, and says what keeps it.
const LIMIT_MS = 300_000; // the slowest file takes some 30 s on a busy machine

setTimeout(() => {
  console.error(
    `the file's process is still there after ${LIMIT_MS / 1000} s; it waits for: ${process.getActiveResourcesInfo().join(', ')}`,
  );
  process.exit(1);
}, LIMIT_MS).unref();
