// What the local cloud starts as an instance in the contract suite: it is ready, and waits to be terminated.
// The channel's end means that the local cloud is gone; an instance must not outlive it.
process.once('SIGTERM', () => process.exit(0));
process.once('disconnect', () => process.exit(0));
process.send?.({ type: 'ready' });
