"""Who the virtual people are (Eq. 3): laws of profiles, learnt from a pool or given as a design."""
