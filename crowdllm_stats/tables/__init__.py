"""From files and data frames to checked columns: the pieces that `CrowdData` is built of."""
