"""What people look at: label maps in colour, and the report page of a run."""
