"""The same cases written for other libraries, each the way a practised user of that library would."""
