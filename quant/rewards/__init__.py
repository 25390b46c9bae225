"""What resting orders earn from incentive programs: scored, accrued in the shadow, booked when paid."""
