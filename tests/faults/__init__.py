"""The fault campaign: every attack, tried many times. A package, so that its modules have names of their own."""
