"""What sources and targets do on odd days, one by one, on real servers, compared by the checker."""
