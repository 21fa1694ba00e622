"""From two tables to answers: the calculators applied to human and digital ``CrowdData``, problem by problem."""
