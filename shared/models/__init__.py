"""Tables and their repositories, one aggregate a file."""
